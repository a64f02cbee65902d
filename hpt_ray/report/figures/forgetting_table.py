"""What each arm gains on the target and loses on its base's own data, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.analysis.forgetting import Forgetting, forgetting
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.quantities import change
from hpt_ray.analysis.verdict import Table, metric_cell
from hpt_ray.report.figure import Figure


@dataclass(frozen=True)
class Panel:
    """The table of one target."""

    target: str
    table: Table


def compute(run: Run) -> tuple[Panel, ...]:
    measured = [each for target in run.study.targets if (each := forgetting(run, target))]
    return tuple(Panel(each.target, _table(run, each)) for each in measured)


def _table(run: Run, measured: Forgetting) -> Table:
    """Per arm its metric on both data sets and its differences from the base as it is, whose row is the first."""
    changes = {each.arm: (each.gain, each.kept) for each in measured.balances}
    rows = []
    for arm in (measured.base, *changes):
        level = run.standard_level(arm)
        reached = [metric_cell(run, measured.target, arm, level, name) for name in (None, measured.evaluation)]
        moved = [change(claim.difference, claim.outcome) for claim in changes.get(arm, ())] or [None, None]
        rows.append((run.arms[arm], *reached, *moved))
    heading, names = run.metric.heading, ("the target", measured.retained)
    columns = ("Arm", *(f"{heading} on {name}" for name in names), *(f"Change on {name}, points" for name in names))
    return Table(columns, tuple(rows))


def draw(value: tuple[Panel, ...]) -> Table:
    several_targets = len(value) > 1
    rows = [
        (f"{cells[0]}, {panel.target}" if several_targets else cells[0], *cells[1:])
        for panel in value
        for cells in panel.table.cells
    ]
    return Table(value[0].table.columns if value else (), tuple(rows))


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals, and differences from the base as it is, whose two intervals hold together at "
    "95 %. ▲ better, ▼ worse, ≈ equivalent, after Holm's correction for all differences of the table; no mark: not "
    "enough evidence.",
)
