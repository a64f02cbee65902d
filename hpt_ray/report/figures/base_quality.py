"""Accuracy of what stands on a base against the quality of that base: its own accuracy in direct transfer."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.numbers import numbers
from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import DIRECT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, faint, markers, panels, series, styles, text
from hpt_ray.report.figures.accuracy import draw_line


@dataclass(frozen=True)
class BaseAccuracies:
    """One target: direct transfer's accuracy by base (level), and per arm (chain) its label and accuracy by base.

    ``scratch``: the accuracy from scratch, where no base is in it. Shares.
    """

    target: str
    metric: Metric
    quality: dict[str, Interval]
    arms: dict[str, str]
    accuracy: dict[str, dict[str, Interval]]
    scratch: tuple[str, Interval] | None


def compute(run: Run) -> tuple[BaseAccuracies, ...]:
    based = DIRECT in run.arms and run.varies(DIRECT)
    return tuple(_panel(run, target) for target in run.study.targets) if based else ()


def _panel(run: Run, target: str) -> BaseAccuracies:
    levels = list(dict.fromkeys([*numbers(run), *run.levels]))
    quality = {level: part for level in levels if (part := mean_score(run, target, DIRECT, level)) is not None}
    arms = {arm: label for arm, label in run.arms.items() if arm.startswith(f"{DIRECT}>")}
    by_arm = {
        arm: {level: part for level in quality if (part := mean_score(run, target, arm, level)) is not None}
        for arm in arms
    }
    still = SCRATCH in run.arms and not run.varies(SCRATCH)
    scratch = mean_score(run, target, SCRATCH, run.baseline) if still else None
    return BaseAccuracies(target, run.metric, quality, arms, by_arm, (run.arms[SCRATCH], scratch) if scratch else None)


def draw(value: tuple[BaseAccuracies, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value] or [""], height=400)
    for row, panel in enumerate(value, start=1):
        if not any(panel.accuracy.values()):
            continue
        style = styles([SCRATCH, *panel.arms])
        qualities = [100 * part.estimate for part in panel.quality.values()]
        room = 0.15 * (max(qualities) - min(qualities)) or 1.0
        ends = min(qualities) - room, max(qualities) + room
        if panel.scratch is not None:
            label, line = panel.scratch
            draw_line(drawn, row, ends, (SCRATCH, label, style[SCRATCH]), line)
        drawn.add_scatter(
            row=row,
            col=1,
            x=list(ends),
            y=list(ends),
            mode="lines",
            line={"color": styles([DIRECT])[DIRECT].color, "width": 2, "dash": "dash"},
            name="Direct transfer itself",
            legendgroup=DIRECT,
            showlegend=row == 1,
            hoverinfo="skip",
        )
        for number, (arm, by_level) in enumerate(panel.accuracy.items()):
            symbols = markers(style[arm], list(by_level.values()))
            symbols["marker"]["line"] = {"width": 2, "color": style[arm].color}
            across = [panel.quality[level] for level in by_level]
            drawn.add_scatter(
                **series(arm, panel.arms[arm], row),
                x=[100 * part.estimate for part in across],
                error_x=markers(style[arm], across, along="x")["error_x"]
                | {"thickness": 1, "color": faint(style[arm].color, 0.5)},
                **symbols | {"mode": "markers" if number else "markers+text"},
                text=[text(level_name(level)) for level in by_level],
                # Names stay inside the panel.
                textposition=[f"top {'left' if 200 * part.estimate > sum(ends) else 'right'}" for part in across],
                textfont={"size": 12},
                hovertemplate="%{fullData.name}, base %{text}<br>%{y:.1f} % [%{customdata[0]:.1f}, "
                "%{customdata[1]:.1f}], direct transfer %{x:.1f} %<extra></extra>",
            )
        drawn.update_xaxes(
            row=row, col=1, title=f"direct transfer of the base, {panel.metric.axis}", zeroline=False, range=ends
        )
        drawn.update_yaxes(row=row, col=1, title=panel.metric.axis, zeroline=False)
    return drawn


figure = Figure(
    compute,
    draw,
    "Each symbol is one level of the base: across, its quality, which is the {metric} of direct transfer from it; "
    "upwards, the {metric} of an arm that starts from it; both with 95 % intervals. On the dashed diagonal target "
    "pretraining adds nothing; the height above it is its gain. Horizontal line and band: pretraining from "
    "scratch, which needs no base.",
)
