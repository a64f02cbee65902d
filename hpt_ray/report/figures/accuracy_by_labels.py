"""Fine-tuning accuracy against the number of labels, per arm, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.verdicts.labels import Labels, label_counts
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, markers, panels, series, styles

#: By how much arms at one number of labels stand apart: this factor in all.
APART = 1.25


@dataclass(frozen=True)
class LabelAccuracies:
    """One target: its numbers of labels, and per arm (chain) its label and its accuracy at each, as a share."""

    target: str
    metric: Metric
    counts: tuple[Labels, ...]
    arms: dict[str, str]
    accuracy: dict[str, dict[Labels, Interval]]


def compute(run: Run) -> tuple[LabelAccuracies, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> LabelAccuracies:
    counts = label_counts(run, target)
    by_arm: dict[str, dict[Labels, Interval]] = {}
    for arm in run.arms:
        level = run.standard_level(arm)
        by_count = {count: mean_score(run, target, arm, level, evaluation=count.evaluation) for count in counts}
        by_arm[arm] = {count: part for count, part in by_count.items() if part is not None}
    return LabelAccuracies(target, run.metric, counts, run.arms, by_arm)


def draw(value: tuple[LabelAccuracies, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=380)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        aside = np.geomspace(APART**-0.5, APART**0.5, len(panel.arms))
        for (arm, by_count), beside in zip(panel.accuracy.items(), aside, strict=True):
            drawn_arm = markers(style[arm], list(by_count.values()))
            drawn_arm["marker"]["line"] = {"width": 2, "color": style[arm].color}
            drawn.add_scatter(
                **series(arm, panel.arms[arm], row),
                x=[count.number * beside for count in by_count],
                **drawn_arm | {"mode": "lines+markers", "line": {"color": style[arm].color, "width": 1.5}},
                text=[count.text for count in by_count],
                hovertemplate="%{fullData.name}, %{text}<br>%{y:.1f} % [%{customdata[0]:.1f}, %{customdata[1]:.1f}], "
                "seeds: %{customdata[2]}<extra></extra>",
            )
        names = [f"{count.number:,}" + ("<br>(all)" if count.everything else "") for count in panel.counts]
        drawn.update_xaxes(
            row=row,
            col=1,
            type="log",
            tickvals=[count.number for count in panel.counts],
            ticktext=names,
            tickangle=0,
            title="labels",
            zeroline=False,
        )
        drawn.update_yaxes(row=row, col=1, title=panel.metric.axis, zeroline=False)
    return drawn


figure = Figure(
    compute,
    draw,
    "Test {metric} after fine-tuning with so many labelled training images, with 95 % intervals; the axis is "
    "logarithmic, and arms are drawn side by side so that none hides another. All arms are given the same labels, the "
    "fewer among the more, so their differences are surer than the intervals of single arms suggest.",
)
