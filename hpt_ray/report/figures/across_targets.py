"""HPT minus its alternatives on every target, and the mean over targets: a forest plot."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.report.figure import STYLES, Figure, Style
from hpt_ray.report.forest import Line, Plot, forest

MEAN = Style("#8A8A8A", "diamond")


@dataclass(frozen=True)
class TargetDifferences:
    """HPT against one arm: the difference on each target, which of them Holm's correction decides, and the mean."""

    against: str
    differences: dict[str, Interval]
    decided: frozenset[str]
    mean: Interval


def compute(run: Run) -> tuple[TargetDifferences, ...]:
    summary = across_targets(run)
    return tuple(
        TargetDifferences(
            against=comparison.against,
            differences=comparison.differences,
            decided=frozenset(comparison.summary.wins + comparison.summary.losses + comparison.summary.ties),
            mean=comparison.summary.mean,
        )
        for comparison in (summary.comparisons if summary else ())
        if comparison.summary is not None
    )


def draw(value: tuple[TargetDifferences, ...]) -> go.Figure:
    plots = []
    for panel in value:
        lines = [
            Line(target, difference, STYLES[HPT], target in panel.decided)
            for target, difference in panel.differences.items()
        ]
        decided = panel.mean.low > 0 or panel.mean.high < 0
        plots.append(Plot(f"HPT minus {panel.against.lower()}", (*lines, Line("Mean", panel.mean, MEAN, decided))))
    return forest(plots)


figure = Figure(
    compute,
    draw,
    "Exploratory, beside the verdict on each target. Difference of test {metric} on each target with its own 95 % "
    "interval, in points; right of zero HPT is better. Filled symbols: a win, a loss or a tie (within 1 point) after "
    "Holm's correction over targets; open: not enough evidence. Mean: over targets as if they were a random sample of "
    "domains, and over the seeds with their bases, whose luck all targets share.",
)
