"""What does each phase of a hierarchy add: the base, the source, the target pretraining?

A phase is judged by two arms of which one is the other with that phase more, in whatever place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import brackets, change_interval, listed, percent, points, share_interval
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import Claim, Outcome, Table, Tile, Verdict, compare, margin_text, settle, spoken


@dataclass(frozen=True)
class Gain:
    """What ``phase`` adds to the arm ``without`` it, which makes it the arm ``chain``."""

    phase: str
    chain: str
    without: str
    claim: Claim


def gains(run: Run, target: str) -> tuple[Gain, ...]:
    """The gain of each phase in each arm of which the arm without it is there too, judged together."""
    found = []
    for chain in run.arms:
        links = chain.split(">")
        shorter = {">".join(links[:place] + links[place + 1 :]): link for place, link in enumerate(links)}
        for without, phase in shorter.items():
            if without in run.arms:
                levels = run.standard_level(chain), run.standard_level(without)
                found.append(Gain(phase, chain, without, compare(run, target, chain, without, levels[0], at=levels[1])))
    claims = settle([gain.claim for gain in found])
    return tuple(replace(gain, claim=claim) for gain, claim in zip(found, claims, strict=True))


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: its sentence is about the longest chain, its table about all."""
    found = gains(run, target)
    chain = _fullest(found)
    asked = [gain for gain in found if gain.chain == chain]
    if asked:
        said = f"in {chain}, {'; '.join(_said(run, asked))}"
    else:
        said = "nothing was compared: no arm of the study is another one with a phase more"
    claims = tuple(gain.claim for gain in found)
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {said}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, asked)),
        table=_table(run, target, found),
        notes=remarks(run, target, [gain.claim for gain in asked]),
    )


def _fullest(found: tuple[Gain, ...]) -> str:
    """The chain whose phases the sentence is about: the longest one that has a gain, the first of several."""
    compared = [gain.chain for gain in found if gain.claim.difference is not None] or [gain.chain for gain in found]
    return max(compared, key=lambda chain: chain.count(">"), default="")


def _said(run: Run, asked: list[Gain]) -> list[str]:
    """Phases by what the evidence says of them, as predicates."""
    parts = []
    for outcome in Outcome:
        phases = [
            f"the {gain.phase} phase ({change_interval(gain.claim.difference)} points over "
            f"{spoken(run.arms[gain.without])})"
            for gain in asked
            if gain.claim.outcome is outcome and gain.claim.difference is not None
        ]
        if phases:
            several, what = "" if len(phases) > 1 else "s", run.metric.label
            parts.append(
                {
                    Outcome.BETTER: f"{listed(phases)} raise{several} {what}",
                    Outcome.WORSE: f"{listed(phases)} lower{several} {what}",
                    Outcome.EQUIVALENT: f"{listed(phases)} change{several} {what} by less than {margin_text(MARGIN)}",
                    Outcome.UNDECIDED: f"there is not enough evidence on {listed(phases)}",
                }[outcome]
            )
    lost = [f"the {gain.phase} phase ({gain.claim.lacking})" for gain in asked if gain.claim.difference is None]
    return [*parts, *([f"nothing can be said of {listed(lost)}"] if lost else [])]


def _tiles(run: Run, target: str, asked: list[Gain]) -> list[Tile]:
    """The accuracy of the chain of the sentence, and what each of its phases adds."""
    found = []
    if asked:
        chain = asked[0].chain
        accuracy = robustness.accuracy(run, target, chain, run.standard_level(chain))
        if accuracy is not None:
            title, interval = f"{run.arms[chain]}, {run.metric.label}", brackets(accuracy, signed=False)
            found.append(Tile(title, percent(accuracy.estimate), interval, "on the target"))
    for gain in asked:
        difference = gain.claim.difference
        if difference is not None:
            remark = f"points: {gain.claim.outcome}"
            found.append(
                Tile(f"The {gain.phase} phase adds", points(difference.estimate), brackets(difference), remark)
            )
    return found


def _table(run: Run, target: str, found: tuple[Gain, ...]) -> Table:
    """Per arm its accuracy, and what each of its phases adds where the arm without that phase is there."""
    links = [link for gain in sorted(found, key=lambda gain: -gain.chain.count(">")) for link in gain.chain.split(">")]
    phases = [link for link in dict.fromkeys(links) if link in {gain.phase for gain in found}]
    rows = []
    for arm, label in run.arms.items():
        accuracy = robustness.accuracy(run, target, arm, run.standard_level(arm))
        own = {gain.phase: gain.claim.difference for gain in found if gain.chain == arm}
        rows.append(
            (
                label if label == arm else f"{label} ({arm})",
                share_interval(accuracy) if accuracy else "–",
                *(change_interval(difference) if (difference := own.get(phase)) else "–" for phase in phases),
            )
        )
    return Table(("Arm", run.metric.heading, *(f"{phase.capitalize()} adds" for phase in phases)), tuple(rows))
