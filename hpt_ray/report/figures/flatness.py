"""How flat each arm's optimum is: what every random policy loses against the best, from the least to the most."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.search import Flatness, flatness
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, panels, series, styles, text


@dataclass(frozen=True)
class TargetFlatness:
    """One target: per arm (chain, label) its flatness."""

    target: str
    metric: Metric
    arms: dict[str, str]
    by_arm: dict[str, Flatness]


def compute(run: Run) -> tuple[TargetFlatness, ...]:
    panels_by_target = []
    for target in run.study.targets if run.study.search else ():
        by_arm = flatness(run, target)
        panels_by_target.append(TargetFlatness(target, run.metric, {arm: run.arms[arm] for arm in by_arm}, by_arm))
    return tuple(panels_by_target)


def draw(value: tuple[TargetFlatness, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value] or [""], height=320)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        for arm, part in panel.by_arm.items():
            ordered = sorted(part.losses, key=lambda level: part.losses[level])
            drawn.add_scatter(
                **series(arm, panel.arms[arm], row),
                x=[100 * (place + 1) / len(ordered) for place in range(len(ordered))],
                y=[-100 * part.losses[level] for level in ordered],
                mode="lines+markers",
                line={"color": style[arm].color, "width": 2},
                marker={"symbol": style[arm].symbol, "size": 8},
                text=[text(level_name(level)) for level in ordered],
                hovertemplate="%{fullData.name}, %{text}<br>%{y:+.1f} points<extra></extra>",
            )
        drawn.update_xaxes(row=row, col=1, title="share of the random policies, %", range=[0, 103], zeroline=False)
        drawn.update_yaxes(row=row, col=1, title=f"test {panel.metric.label} against the best, points", zerolinewidth=2)
    return drawn


figure = Figure(
    compute,
    draw,
    "Test {metric} of each random policy against the one that val chooses among them, from the best down; the policies "
    "are the same for every arm. Luck is in these curves, of each policy's one pretraining and of the test images: the "
    "curve of a noisier arm falls further though its policies be alike. How much the policies alone matter is in the "
    "table and the verdict. Above zero, val chose one that test does not favour.",
    every_factor=True,
)
