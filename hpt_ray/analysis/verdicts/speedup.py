"""How many times faster than from scratch does HPT reach an accuracy, and which is better at the same budget?

That one arm is faster than another to an accuracy, and that it is the better one at the cost at which the other has it,
is the same claim while accuracy rises with cost. So "faster" is judged on a difference of accuracies, at the cost of
the best that both arms reach, and said where the interval of the speed-up agrees. It is what the study is for and
judged alone; the comparisons at single budgets, which come beside it, are corrected among themselves.

Measured on curves of five budgets (probit data with known truth; 300 examples; 300 studies each): where the curves are
the same, HPT is called faster in 0 to 1.3 % and from scratch in 0 to 0.3 %; where HPT is 10 to 40 times faster and ends
5 to 6 points higher, HPT in 32 to 37 % with 3 seeds and in 81 to 93 % with 5, from scratch never.
"""

from __future__ import annotations

from hpt_ray.analysis.caveats import remarks
from hpt_ray.analysis.measures import robustness
from hpt_ray.analysis.measures.numbers import common, counted, field, number_name, numbers
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.speedup import Bound
from hpt_ray.analysis.measures.spending import (
    NOTHING,
    Ahead,
    ahead,
    brief,
    brief_interval,
    curve,
    lead,
    lead_answers,
    times,
    times_interval,
)
from hpt_ray.analysis.measures.text_format import brackets, listed, percent, points, share_interval
from hpt_ray.analysis.measures.views import target_text
from hpt_ray.analysis.stats.comparisons import MARGIN
from hpt_ray.analysis.verdict import (
    Claim,
    Outcome,
    Table,
    Tile,
    Verdict,
    compare,
    few_images,
    margin_text,
    settle,
    spoken,
)

#: What the budgets are counted in.
UNIT = "iterations"

#: A bound below this says no more than that an arm does not reach an accuracy.
TELLING = 1.05


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    both = HPT in run.arms and SCRATCH in run.arms and field(run) == UNIT
    own = ahead(run, target, HPT, UNIT) if both else None
    scratch = ahead(run, target, HPT, UNIT, best_of=SCRATCH) if both else None
    asked = _asked(run, target)
    speed = [_speed(run, target)] if own and scratch else []
    beside = settle([compare(run, target, HPT, other, level) for level, other in asked])
    claims = (*settle(speed), *beside)
    settled = dict(zip(asked, beside, strict=True))
    said = []
    if own and scratch:
        said = [f"{_faster(claims[0], own, scratch)}: {_own(run, own)}", _scratch(scratch)]
    elif both:
        lost = [spoken(run.arms[arm]) for arm in (HPT, SCRATCH) if not curve(run, target, arm, UNIT)]
        said = [f"whether HPT is faster than pretraining from scratch cannot be said (no result for {listed(lost)})"]
    for place in dict.fromkeys(level for level, _ in asked):
        here = [claim.text for (level, _), claim in settled.items() if level == place]
        said.append(f"after {number_name(run, place)} HPT is {' and '.join(here)}")
    nothing = "nothing was compared: the study lacks HPT, what it is held against, or budgets"
    return Verdict(
        target=target,
        sentence=f"On {target_text(run, target)}, {'; '.join(said) or nothing}.",
        claims=claims,
        tiles=tuple(_tiles(run, target, own, scratch, [settled[at] for at in asked if at[0] == asked[-1][0]])),
        table=_table(run, target),
        notes=remarks(run, target, claims),
    )


def _asked(run: Run, target: str) -> list[tuple[str, str]]:
    """Budgets and whom HPT is held against there: from scratch at the smallest and the largest budget that both have a
    result at, and direct transfer at the largest."""
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms]
    if HPT not in run.arms or not others or field(run) != UNIT:
        return []
    shared = common(run, target, [HPT, SCRATCH] if SCRATCH in others else [HPT])
    first = [(shared[0], SCRATCH)] if SCRATCH in others and len(shared) > 1 else []
    return first + [(level, other) for level in shared[-1:] for other in others]


def _speed(run: Run, target: str) -> Claim:
    labels = run.arms[HPT], run.arms[SCRATCH]
    what = f"{labels[0]} and {spoken(labels[1])}, at the budget that decides which is faster,"
    needed = few_images(what, lead_answers(run, target, HPT, UNIT))
    return Claim("speed", *labels, lead(run, target, HPT, UNIT), needed=needed)


def _faster(claim: Claim, own: Ahead, scratch: Ahead) -> str:
    """Which arm is faster to the best accuracy that both reach."""
    reached = scratch.speed if scratch.best.accuracy <= own.best.accuracy else own.speed
    if claim.outcome is Outcome.BETTER and reached.low >= 1 - NOTHING:
        return "HPT is faster than pretraining from scratch"
    if claim.outcome is Outcome.WORSE and reached.high <= 1 + NOTHING:
        return "pretraining from scratch is faster than HPT"
    if claim.outcome is Outcome.EQUIVALENT:
        return f"HPT and pretraining from scratch come out equivalent within {margin_text(MARGIN)}"
    return "there is not enough evidence that HPT or pretraining from scratch is the faster one"


def _own(run: Run, own: Ahead) -> str:
    """HPT's best accuracy, when it has it, and what from scratch needs for it."""
    first = counted(own.best.cost, UNIT) + (" or fewer" if own.best.smallest else "")
    reached = f"HPT reaches its best {run.metric.label}, {percent(own.best.accuracy)}, in {first}"
    if own.speed.bound is Bound.UNKNOWN:
        return f"{reached}, and so does pretraining from scratch"
    needs = f"needs {times(own.speed)} times as many{_beside(own)}"
    if own.never:
        more = f": it {needs}" if own.speed.ratio > TELLING else ""
        return f"{reached}, which from scratch does not reach in {own.cost:,.0f}{more}"
    return f"{reached}, for which from scratch {needs}"


def _scratch(found: Ahead) -> str:
    """From-scratch's best accuracy, and how it compares with what HPT needs for it: the paper's way to put it."""
    best = f"{percent(found.best.accuracy)} in {counted(found.best.cost, UNIT)}"
    if found.speed.bound is Bound.UNKNOWN:
        return f"the best of from scratch, {best} or fewer, HPT has at its smallest budget too"
    if found.never:
        return f"the best of from scratch, {best}, HPT does not reach in {found.cost:,.0f}"
    return f"for its own best, {best}, from scratch needs {times(found.speed)} times as many as HPT{_beside(found)}"


def _beside(found: Ahead) -> str:
    """The interval of a speed-up and what is left of it with the base's cost, in parentheses."""
    base = ""
    if found.before is not None and found.included is not None:
        base = f"; {times(found.included)} with the {counted(found.before, UNIT)} of the base counted in"
    return f" (95 %: {times_interval(found.speed)}{base})"


def _tiles(run: Run, target: str, own: Ahead | None, scratch: Ahead | None, claims: list[Claim]) -> list[Tile]:
    """HPT's accuracy at its largest budget, the two speed-ups, and the differences at the largest common budget."""
    found = []
    level = _largest(run, HPT) if HPT in run.arms else ""
    accuracy = robustness.accuracy(run, target, HPT, level) if level else None
    if accuracy is not None:
        title, interval = f"HPT, {run.metric.label}", brackets(accuracy, signed=False)
        found.append(Tile(title, percent(accuracy.estimate), interval, f"after {number_name(run, level)}"))
    for whose, part in (("HPT's best", own), ("the best from scratch", scratch)):
        if part is not None:
            interval = f"95 %: {times_interval(part.speed)}"
            found.append(Tile(f"Speed-up to {whose}", brief(part.speed), interval, percent(part.best.accuracy)))
    for claim in claims:
        if claim.difference is not None:
            title, value = f"HPT vs {claim.against.lower()}", points(claim.difference.estimate)
            found.append(Tile(title, value, brackets(claim.difference), f"points: {claim.outcome}"))
    return found


def _table(run: Run, target: str) -> Table:
    """Per arm the accuracy at its largest budget, and how many times faster than from scratch it gets to the bests."""
    rows = []
    for arm, label in run.arms.items():
        level = _largest(run, arm)
        accuracy = robustness.accuracy(run, target, arm, level)
        held = level and arm != SCRATCH and SCRATCH in run.arms
        both = [ahead(run, target, arm, UNIT, best_of=best_of) if held else None for best_of in ("", SCRATCH)]
        rows.append(
            (
                label,
                share_interval(accuracy) if accuracy else "–",
                number_name(run, level) if level else "–",
                *(brief_interval(part.speed) if part else "–" for part in both),
            )
        )
    columns = ("Arm", run.metric.heading, "after", "Speed-up to its best", "to the best from scratch")
    return Table(columns, tuple(rows))


def _largest(run: Run, arm: str) -> str:
    """An arm's largest budget, as a level; "" where it has none."""
    if not run.varies(arm) or field(run) != UNIT:
        return ""
    own = [level for level in numbers(run) if level in run.levels_of(arm)]
    return own[-1] if own else ""
