"""Speed-up in iterations, images and seconds, without and with what the base cost."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from hpt_ray.analysis.numbers import field
from hpt_ray.analysis.run import SCRATCH, Run
from hpt_ray.analysis.speedup import Bound, SpeedUp
from hpt_ray.analysis.spending import UNITS, Ahead, ahead, short, times_interval
from hpt_ray.analysis.wording import duration, percent
from hpt_ray.figure import Figure


@dataclass(frozen=True)
class Line:
    """One arm on one target in one unit, at its ``own`` best accuracy or at that of from scratch."""

    target: str
    label: str
    unit: str
    own: bool
    found: Ahead


def compute(run: Run) -> tuple[Line, ...]:
    if SCRATCH not in run.arms or field(run) != "iterations":
        return ()
    return tuple(
        Line(target, label, unit, own, found)
        for target in run.study.targets
        for arm, label in run.arms.items()
        if arm != SCRATCH and run.varies(arm)
        for own in (True, False)
        for unit in UNITS
        if (found := ahead(run, target, arm, unit, best_of="" if own else SCRATCH)) is not None
    )


def draw(value: tuple[Line, ...]) -> Markup:
    several = len({line.target for line in value}) > 1
    row = Markup('<tr><th scope="row">{}</th>') + Markup("<td>{}</td>") * 7 + Markup("</tr>")
    rows = [row.format(f"{line.label}, {line.target}" if several else line.label, *_cells(line)) for line in value]
    names = (
        "Arm",
        "Accuracy",
        "In",
        "Arm needs",
        "From scratch needs",
        "Speed-up (95 %)",
        "Base cost",
        "with base (95 %)",
    )
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in names)
    return Markup(
        '<div class="scroll"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(heads, Markup("").join(rows))


def _cells(line: Line) -> tuple[str, ...]:
    found = line.found
    whose = "its best" if line.own else "from scratch's best"
    best = ("≤ " if found.best.smallest else "") + _spent(line.unit, found.best.cost)
    sign = "> " if found.never else "≤ " if found.early else ""
    other = "–" if found.speed.bound is Bound.UNKNOWN else sign + _spent(line.unit, found.cost)
    return (
        f"{percent(found.best.accuracy)}, {whose}",
        line.unit,
        *((best, other) if line.own else (other, best)),
        _ratio(found.speed),
        _spent(line.unit, found.before) if found.before is not None else "not known",
        _ratio(found.included) if found.included is not None else "–",
    )


def _spent(unit: str, cost: float) -> str:
    return duration(cost) if unit == "seconds" else f"{cost:,.0f}"


def _ratio(found: SpeedUp) -> str:
    return f"{short(found)} ({times_interval(found)})"


figure = Figure(
    compute,
    draw,
    "At an arm's own best accuracy, and at that of from scratch: what each needs for it in its last phase, the ratio "
    "with its 95 % interval, and that ratio with the cost of the base added to the arm's. > stands for never within "
    "the budgets, ≤ for at the smallest budget already, ≥ for a ratio of which only that bound is known. Seconds are "
    "those of this hardware, a mean over seeds.",
)
