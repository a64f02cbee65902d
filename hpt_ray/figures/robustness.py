"""Worst change and spread per arm, with intervals: robustness in two numbers."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.bootstrap import Interval
from hpt_ray.analysis.robustness import robustness
from hpt_ray.analysis.run import Run
from hpt_ray.analysis.wording import level_name
from hpt_ray.figure import Figure, looks, panels, text


@dataclass(frozen=True)
class Bar:
    """One arm on one target, as shares: the worst change and its level, and the range over all levels."""

    target: str
    arm: str
    label: str
    worst: Interval
    worst_level: str
    spread: Interval


def compute(run: Run) -> tuple[Bar, ...]:
    found = [
        (target, arm, label, robustness(run, target, arm))
        for target in run.study.targets
        for arm, label in run.arms.items()
    ]
    return tuple(
        Bar(target, arm, label, part.worst, part.worst_level, part.range) for target, arm, label, part in found if part
    )


def draw(value: tuple[Bar, ...]) -> go.Figure:
    targets = list(dict.fromkeys(bar.target for bar in value)) or [""]
    titles = [
        f"{what}{f', {target}' if len(targets) > 1 else ''}"
        for target in targets
        for what in ("Worst change", "Spread")
    ]
    drawn = panels(titles, height=220, columns=2, shared_yaxes=True, horizontal_spacing=0.06)
    look = looks(list(dict.fromkeys(bar.arm for bar in value)))
    for bar in reversed(value):
        row = targets.index(bar.target) + 1
        for column, part in ((1, bar.worst), (2, bar.spread)):
            drawn.add_scatter(
                row=row,
                col=column,
                x=[100 * part.estimate],
                y=[text(bar.label)],
                mode="markers",
                showlegend=False,
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (part.high - part.estimate)],
                    "arrayminus": [100 * (part.estimate - part.low)],
                    "thickness": 2,
                    "width": 4,
                },
                marker={"color": look[bar.arm].color, "symbol": look[bar.arm].symbol, "size": 11},
                hovertemplate=f"{text(bar.label)}"
                + (f", at {text(level_name(bar.worst_level))}" if column == 1 else "")
                + f"<br>%{{x:+.1f}} points [{100 * part.low:+.1f}, {100 * part.high:+.1f}]<extra></extra>",
            )
    drawn.update_xaxes(title="points", zeroline=True, zerolinewidth=2)
    drawn.update_yaxes(showgrid=False, zeroline=False, automargin=True)
    return drawn


figure = Figure(
    compute,
    draw,
    "Left: the change against the arm's own baseline at the policy where it is worst; nearer to zero is more robust. Right: "
    "the range of accuracy over all policies; smaller is more robust. 95 % intervals.",
)
