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

from dataclasses import replace

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, Outcome, compare, of_measure
from hpt_ray.analysis.findings import Comparisons, NoSpeed, Speed
from hpt_ray.analysis.measures.numbers import common, field, number_name, numbers
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.spending import NOTHING, Ahead, ahead, curve, lead, lead_answers
from hpt_ray.analysis.measures.text_format import percent, spoken
from hpt_ray.analysis.need import few_images
from hpt_ray.analysis.quantities import Times
from hpt_ray.analysis.settling import by_place, settle, settle_each
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell, metric_tiles

#: What the budgets are counted in.
UNIT = "iterations"


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    both = HPT in run.arms and SCRATCH in run.arms and field(run) == UNIT
    speed = _speed(run, target) if both else None
    faster = [speed.claim] if isinstance(speed, Speed) else []
    differences = {(level, other): compare(run, target, HPT, other, level) for level, other in _asked(run, target)}
    beside = settle_each(run, target, differences, "differences at single budgets", exploratory=both)
    by_level = by_place(beside)
    claims = (*faster, *beside.values())
    largest = _largest(run, HPT) if HPT in run.arms else ""
    return Verdict(
        target=target,
        findings=(
            *([speed] if speed else []),
            *(Comparisons(own, f"after {number_name(run, level)}") for level, own in by_level.items()),
        ),
        nothing="the study lacks HPT, what it is held against, or budgets",
        claims=claims,
        tiles=(
            *(metric_tiles(run, target, HPT, largest, f"after {number_name(run, largest)}") if largest else []),
            *(_speed_tiles(speed) if isinstance(speed, Speed) else []),
            *claim_tiles((claim, "") for own in list(by_level.values())[-1:] for claim in own),
        ),
        table=_table(run, target),
        caveats=caveats(run, target, claims),
    )


def _asked(run: Run, target: str) -> list[tuple[str, str]]:
    """Budgets and whom HPT is held against there: from scratch at the smallest and the largest budget that both have a
    result at, and direct transfer at the largest."""
    others = run.alternatives
    if not others or field(run) != UNIT:
        return []
    shared = common(run, target, [HPT, SCRATCH] if SCRATCH in others else [HPT])
    first = [(shared[0], SCRATCH)] if SCRATCH in others and len(shared) > 1 else []
    return first + [(level, other) for level in shared[-1:] for other in others]


def _speed(run: Run, target: str) -> Speed | NoSpeed:
    """Which of HPT and from scratch is faster, judged alone."""
    labels = run.arms[HPT], run.arms[SCRATCH]
    own, scratch = ahead(run, target, HPT, UNIT), ahead(run, target, HPT, UNIT, best_of=SCRATCH)
    if own is None or scratch is None:
        empty = tuple(run.arms[arm] for arm in (HPT, SCRATCH) if not curve(run, target, arm, UNIT))
        return NoSpeed(*labels, empty)
    what = f"{labels[0]} and {spoken(labels[1])}, at the budget that decides which is faster,"
    needed = few_images(lead_answers(run, target, HPT, UNIT), run.margin, what=what)
    speed_claim = of_measure(run, "speed", labels, lead(run, target, HPT, UNIT), lacking="", needed=needed)
    (claim,) = settle(run, target, [speed_claim], "speed")
    return Speed(confirmed(claim, own, scratch), run.metric.label, UNIT, own, scratch)


def confirmed(claim: Claim, own: Ahead, scratch: Ahead) -> Claim:
    """The claim, undecided where the speed-up's interval does not say so too: it is that to the best both reach.

    What an earlier look decided stays.
    """
    if claim.recorded:
        return claim
    speed = scratch.speed if scratch.best.accuracy <= own.best.accuracy else own.speed
    faster = claim.outcome is Outcome.BETTER and speed.low < 1 - NOTHING
    slower = claim.outcome is Outcome.WORSE and speed.high > 1 + NOTHING
    return replace(claim, outcome=Outcome.UNDECIDED) if faster or slower else claim


def _speed_tiles(speed: Speed) -> list[Tile]:
    parts = {"Speed-up to HPT's best": speed.own, "Speed-up to the best from scratch": speed.other}
    return [Tile(title, Times(part.speed), percent(part.best.accuracy)) for title, part in parts.items()]


def _table(run: Run, target: str) -> Table:
    """Per arm the accuracy at its largest budget, and how many times faster than from scratch it gets to the bests."""
    rows = []
    for arm, label in run.arms.items():
        level = _largest(run, arm)
        held = level and arm != SCRATCH and SCRATCH in run.arms
        both = [ahead(run, target, arm, UNIT, best_of=best_of) if held else None for best_of in ("", SCRATCH)]
        after = number_name(run, level) if level else None
        speeds = (Times(part.speed) if part else None for part in both)
        rows.append((label, metric_cell(run, target, arm, level), after, *speeds))
    columns = ("Arm", run.metric.heading, "after", "Speed-up to its best", "to the best from scratch")
    return Table(columns, tuple(rows))


def _largest(run: Run, arm: str) -> str:
    """An arm's largest budget, as a level; "" where it has none."""
    if not run.varies(arm) or field(run) != UNIT:
        return ""
    own = [level for level in numbers(run) if level in run.levels_of(arm)]
    return own[-1] if own else ""
