"""What each arm gains on the target and loses on its base's own data, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

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


def draw(value: tuple[Panel, ...]) -> Markup:
    return Markup("").join(_drawn(panel, several_targets=len(value) > 1) for panel in value)


def _drawn(panel: Panel, several_targets: bool) -> Markup:
    heads = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in panel.table.columns)
    lines = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            f"{name}, {panel.target}" if several_targets else name,
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells),
        )
        for name, *cells in panel.table.rows
    )
    return Markup(
        '<div class="scroll"><table class="numbers"><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(heads, lines)


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals, and differences from the base as it is, whose two intervals hold together at "
    "95 %. ▲ better, ▼ worse, ≈ equivalent, after Holm's correction for all differences of the table; no mark: not "
    "enough evidence.",
)
