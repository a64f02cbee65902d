"""How much an arm needs, in words: iterations to an accuracy, images to keep a gain."""

from __future__ import annotations

from hpt_ray.analysis.claim_words import words
from hpt_ray.analysis.findings import Kept, NoSpeed, Speed
from hpt_ray.analysis.measures.numbers import counted
from hpt_ray.analysis.measures.retention import KEPT, Retention
from hpt_ray.analysis.measures.speedup import Bound
from hpt_ray.analysis.measures.spending import Ahead, estimate, factor
from hpt_ray.analysis.measures.text_format import change_interval, listed, percent, spoken
from hpt_ray.analysis.phrases import FASTER
from hpt_ray.analysis.quantities import Part

#: The share of a gain that counts as kept, as text.
KEPT_TEXT = Part(KEPT, "").value


def speed(finding: Speed) -> str:
    """Which arm is faster, and what each needs for the best of either."""
    faster = FASTER[finding.claim.outcome].format(**words(finding.claim))
    return f"{faster}: {_own(finding)}; {_other(finding)}"


def no_speed(finding: NoSpeed) -> str:
    """Why it cannot be said which arm is faster."""
    empty = listed([spoken(label) for label in finding.empty])
    subject, against = spoken(finding.subject), spoken(finding.against)
    return f"whether {subject} is faster than {against} cannot be said (no result for {empty})"


def _own(finding: Speed) -> str:
    """The subject's best, when it has it, and what the other arm needs for it."""
    own, subject = finding.own, spoken(finding.claim.subject)
    first = counted(own.best.cost, finding.unit) + (" or fewer" if own.best.smallest else "")
    reached = f"{subject} reaches its best {finding.metric}, {percent(own.best.accuracy)}, in {first}"
    if own.speed.bound is Bound.UNKNOWN:
        return f"{reached}, and so does {spoken(finding.claim.against)}"
    other = finding.claim.against.lower()
    seen = f", which {other} was not seen to reach in {own.cost:,.0f}" if own.never else ""
    return f"{reached}{seen}, and {other} needs {_needs(own, finding.unit)}"


def _other(finding: Speed) -> str:
    """The other arm's best, and how it compares with what the subject needs for it: the paper's way to put it."""
    ahead, other, subject = finding.other, finding.claim.against.lower(), spoken(finding.claim.subject)
    best = f"{percent(ahead.best.accuracy)} in {counted(ahead.best.cost, finding.unit)}"
    if ahead.speed.bound is Bound.UNKNOWN:
        return f"the best of {other}, {best} or fewer, {subject} has at its smallest budget too"
    if ahead.never:
        return f"the best of {other}, {best}, {subject} was not seen to reach in {ahead.cost:,.0f}"
    return f"for its own best, {best}, {other} needs {_needs(ahead, finding.unit)}"


def _needs(ahead: Ahead, unit: str) -> str:
    """The interval of a speed-up, with its estimate and what is left of it with the base's cost in parentheses."""
    base = ""
    if ahead.before is not None and ahead.included is not None:
        base = f"; with the {counted(ahead.before, unit)} of the base counted in, {factor(ahead.included)}"
    return f"{factor(ahead.speed, 'as many')} (95 %; estimate {estimate(ahead.speed)}{base})"


def kept(finding: Kept) -> str:
    """What each arm needs for 95 % of its gain; which have none, and of which that is not known."""
    most = _share(finding.most)
    needs: list[str] = []
    without: list[str] = []
    empty: list[str] = []
    for label, retention in finding.by_arm.items():
        name = spoken(label)
        if retention is None:
            empty.append(name)
        elif retention.fraction is None:
            without.append(f"{name} ({change_interval(retention.gain)} points)")
        else:
            keeps, images = ("", "") if needs else (f" keeps {KEPT_TEXT} of its gain over step 0", " of the images")
            sure = (
                f"{change_interval(retention.gain)} points; {agreeing(retention).value} of bootstrap replicates agree"
            )
            needs.append(f"{name}{keeps} with {_share(retention.fraction)}{images} ({sure})")
    parts = [listed(needs)] if needs else []
    if without:
        verb = "gain" if without[1:] else "gains"
        parts.append(f"{listed(without)} {verb} nothing sure over step 0, even with {most} of the images")
    if empty:
        parts.append(f"how few images are enough cannot be said for {listed(empty)} (no result with {most} of them)")
    return "; ".join(parts)


def agreeing(retention: Retention) -> Part:
    """The share of bootstrap replicates in which the fraction is the same."""
    return Part(retention.probability.get(retention.fraction or 0.0, 0.0), "of replicates agree", digits=0)


def _share(number: float) -> str:
    return Part(number, "").value
