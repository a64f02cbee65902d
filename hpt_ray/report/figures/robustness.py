"""How much each arm varies over the levels, and its worst change, with intervals: robustness in two numbers."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.robustness import robustness
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.report.figure import Figure, markers, panels, styles, text

MEASURES = ("Variation over the levels, points", "Worst change, points")


@dataclass(frozen=True)
class Bar:
    """One arm on one target: what is measured, in the order of ``MEASURES``, as shares; None where it is not known."""

    target: str
    arm: str
    label: str
    worst_level: str
    measures: tuple[Interval | None, ...]


def compute(run: Run) -> tuple[Bar, ...]:
    pairs = [(target, arm) for target in run.study.targets for arm in run.arms]
    by_arm = {(target, arm): robustness(run, target, arm) for target, arm in pairs}
    return tuple(
        Bar(target, arm, run.arms[arm], part.worst_level, (part.deviation, part.worst))
        for (target, arm), part in by_arm.items()
        if part is not None
    )


def draw(value: tuple[Bar, ...]) -> go.Figure:
    targets = list(dict.fromkeys(bar.target for bar in value)) or [""]
    suffixes = [f", {target}" if len(targets) > 1 else "" for target in targets]
    titles = [f"{what}{suffix}" for suffix in suffixes for what in MEASURES]
    drawn = panels(titles, height=210)
    style = styles(list(dict.fromkeys(bar.arm for bar in value)))
    for bar in reversed(value):
        row = len(MEASURES) * targets.index(bar.target) + 1
        for below, part in enumerate(bar.measures):
            if part is None:
                continue
            at = f", {text(level_name(bar.worst_level))}" if part is bar.measures[-1] else ""
            drawn.add_scatter(
                row=row + below,
                col=1,
                y=[text(bar.label)],
                showlegend=False,
                **markers(style[bar.arm], [part], along="x"),
                hovertemplate=f"{text(bar.label)}{at}<br>"
                "%{x:+.1f} points [%{customdata[0]:+.1f}, %{customdata[1]:+.1f}]<extra></extra>",
            )
    drawn.update_layout(margin_b=40)
    drawn.update_xaxes(zeroline=True, zerolinewidth=2)
    # Room above the first and below the last arm.
    drawn.update_yaxes(showgrid=False, zeroline=False, range=[-0.6, len(style) - 0.4])
    return drawn


figure = Figure(
    compute,
    draw,
    "Variation: the standard deviation of {metric} over the levels, without what seeds and test images give it by "
    "chance; smaller is more robust. Worst change: against the arm's own baseline, at the level where it is lowest; "
    "above zero the arm gains at every other level, and its baseline is not its best one.",
)
