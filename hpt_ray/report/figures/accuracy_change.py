"""Change of accuracy against each arm's own baseline, per level: the paper's augmentation figure, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.robustness import robustness
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.report.figure import Figure, beside, level_axis, markers, panels, series, styles, text


@dataclass(frozen=True)
class AccuracyChanges:
    """One target: its levels without the baseline, and per arm (chain, label) the change at each, as a share."""

    target: str
    levels: tuple[str, ...]
    arms: dict[str, str]
    changes: dict[str, dict[str, Interval]]


def compute(run: Run) -> tuple[AccuracyChanges, ...]:
    arms = {arm: label for arm, label in run.arms.items() if run.varies(arm)}
    by_arm = {(target, arm): robustness(run, target, arm) for target in run.study.targets for arm in arms}
    return tuple(
        AccuracyChanges(
            target=target,
            levels=run.levels[1:],
            arms=arms,
            changes={arm: part.changes for arm in arms if (part := by_arm[target, arm]) is not None},
        )
        for target in run.study.targets
    )


def draw(value: tuple[AccuracyChanges, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=340)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        for number, (arm, changes) in enumerate(panel.changes.items()):
            drawn.add_scatter(
                **series(arm, panel.arms[arm], row),
                x=[panel.levels.index(level) + beside(number, len(panel.changes)) for level in changes],
                **markers(style[arm], list(changes.values())),
                text=[text(level_name(level)) for level in changes],
                hovertemplate="%{fullData.name}, %{text}<br>%{y:+.1f} points "
                "[%{customdata[0]:+.1f}, %{customdata[1]:+.1f}], seeds: %{customdata[2]}<extra></extra>",
            )
        level_axis(drawn, row, panel.levels)
        drawn.update_yaxes(row=row, col=1, title="change, points", zeroline=True, zerolinewidth=2)
    return drawn


figure = Figure(
    compute,
    draw,
    "Change of test {metric} against each arm's own baseline at the same seed, in percentage points, with 95 % "
    "intervals. At the line of zero, leaving the baseline policy costs nothing.",
)
