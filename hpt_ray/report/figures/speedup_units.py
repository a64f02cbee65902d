"""Speed-up in iterations, images and seconds, without and with what the base cost."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.analysis.measures.numbers import field
from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.measures.speedup import Bound
from hpt_ray.analysis.measures.spending import UNITS, Ahead, ahead, brief_interval
from hpt_ray.analysis.measures.text_format import duration, percent
from hpt_ray.analysis.verdict import Table
from hpt_ray.report.figure import Figure


@dataclass(frozen=True)
class Line:
    """One arm on one target in one unit, at its ``own`` best accuracy or at that of from scratch."""

    target: str
    label: str
    unit: str
    own: bool
    reached: Ahead


def compute(run: Run) -> tuple[Line, ...]:
    if SCRATCH not in run.arms or field(run) != "iterations":
        return ()
    return tuple(
        Line(target, label, unit, own, reached)
        for target in run.study.targets
        for arm, label in run.arms.items()
        if arm != SCRATCH and run.varies(arm)
        for own in (True, False)
        for unit in UNITS
        if (reached := ahead(run, target, arm, unit, best_of="" if own else SCRATCH)) is not None
    )


def draw(value: tuple[Line, ...]) -> Table:
    several_targets = len({line.target for line in value}) > 1
    rows = [(f"{line.label}, {line.target}" if several_targets else line.label, *_cells(line)) for line in value]
    names = ("Arm", "Best reached", "Arm needs", "From scratch needs", "Speed-up", "with the base")
    return Table(names, tuple(rows))


def _cells(line: Line) -> tuple[str, ...]:
    reached = line.reached
    best = ("≤ " if reached.best.smallest else "") + _spent(line.unit, reached.best.cost)
    sign = "> " if reached.never else "≤ " if reached.early else ""
    other = "–" if reached.speed.bound is Bound.UNKNOWN else sign + _spent(line.unit, reached.cost)
    return (
        f"{percent(reached.best.accuracy)}, {'its own' if line.own else 'from scratch'}",
        *((best, other) if line.own else (other, best)),
        brief_interval(reached.speed),
        brief_interval(reached.included) if reached.included is not None else "not known",
    )


def _spent(unit: str, cost: float) -> str:
    return duration(cost) if unit == "seconds" else f"{cost:,.0f} {unit}"


figure = Figure(
    compute,
    draw,
    "At the best {metric} of an arm itself, and at that of from scratch: what each needs for it in its last phase, "
    "the 95 % interval of the ratio with its estimate, and the same with the cost of the base (its line is in the "
    "table of costs) added to the arm's. > stands for never within the budgets, ≤ for at the smallest budget already, "
    "≥ and ≤ of a ratio for an interval with an open end. Seconds are those of this hardware, a mean over seeds.",
)
