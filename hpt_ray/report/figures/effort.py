"""Accuracy of every arm against the time of its last pretraining phase, with the number of weights trained in it."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.effort import Effort, effort
from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, markers, panels, series, styles


@dataclass(frozen=True)
class Point:
    """An arm: what it reached, and what its last phase on the target took; None of a base as it is."""

    arm: str
    label: str
    reached: Interval
    spent: Effort | None


@dataclass(frozen=True)
class Efforts:
    """The arms of one target that finished; ``arms`` are all of the study."""

    target: str
    metric: Metric
    arms: tuple[str, ...]
    points: tuple[Point, ...]


def compute(run: Run) -> tuple[Efforts, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> Efforts:
    points = []
    start = run.study.start
    for arm, label in run.arms.items():
        reached = mean_score(run, target, arm, run.standard_level(arm))
        if reached is not None:
            as_it_is = start is not None and arm == start.chain
            points.append(Point(arm, label, reached, None if as_it_is else effort(run, target, arm)))
    return Efforts(target, run.metric, tuple(run.arms), tuple(points))


def draw(value: tuple[Efforts, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value] or [""], height=360)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        for point in panel.points:
            size = "?" if point.spent is None or point.spent.trained is None else f"{point.spent.trained:,}"
            drawn.add_scatter(
                **series(point.arm, point.label, row),
                x=[point.spent.seconds if point.spent else 0.0],
                **markers(style[point.arm], [point.reached]),
                hovertemplate="%{fullData.name}<br>%{y:.1f} % [%{customdata[0]:.1f}, %{customdata[1]:.1f}]<br>"
                + (f"%{{x:.1f}} s, {size} weights trained" if point.spent else "nothing trained on the target")
                + "<extra></extra>",
            )
        drawn.update_xaxes(row=row, col=1, title="time of the last phase, s", rangemode="tozero", zeroline=False)
        drawn.update_yaxes(row=row, col=1, title=panel.metric.axis, zeroline=False)
    return drawn


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals against the time of an arm's last pretraining phase, a mean over seeds, as it "
    "ran on this hardware. A base as it is stands at 0: nothing is trained on the target. An average of weights has "
    "the time of the phase whose end it takes, and of estimating batch norm's statistics again.",
)
