"""Change of accuracy against each arm's own baseline, per level: the paper's augmentation figure, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.bootstrap import Interval
from hpt_ray.analysis.robustness import robustness
from hpt_ray.analysis.run import Run
from hpt_ray.analysis.wording import level_name
from hpt_ray.figure import Figure, looks, panels, text, wrapped


@dataclass(frozen=True)
class Panel:
    """One target: its levels without the baseline, and per arm (chain, label) the change at each, as a share."""

    target: str
    levels: tuple[str, ...]
    arms: dict[str, str]
    changes: dict[str, dict[str, Interval]]


def compute(run: Run) -> tuple[Panel, ...]:
    arms = {arm: label for arm, label in run.arms.items() if run.varies(arm)}
    found = {(target, arm): robustness(run, target, arm) for target in run.study.targets for arm in arms}
    return tuple(
        Panel(
            target=target,
            levels=run.levels[1:],
            arms=arms,
            changes={arm: part.changes for arm in arms if (part := found[target, arm]) is not None},
        )
        for target in run.study.targets
    )


def draw(value: tuple[Panel, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=340)
    for row, panel in enumerate(value, start=1):
        look = looks(list(panel.arms))
        for number, (arm, changes) in enumerate(panel.changes.items()):
            # Arms stand side by side around each level, in a width that leaves a gap to the next one.
            aside = (number - (len(panel.changes) - 1) / 2) * 0.6 / max(len(panel.changes), 1)
            shown = [level for level in panel.levels if level in changes]
            parts = [changes[level] for level in shown]
            drawn.add_scatter(
                row=row,
                col=1,
                name=text(panel.arms[arm]),
                legendgroup=arm,
                showlegend=row == 1,
                mode="markers",
                x=[panel.levels.index(level) + aside for level in shown],
                y=[100 * part.estimate for part in parts],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": [100 * (part.high - part.estimate) for part in parts],
                    "arrayminus": [100 * (part.estimate - part.low) for part in parts],
                    "thickness": 2,
                    "width": 4,
                },
                marker={"color": look[arm].color, "symbol": look[arm].symbol, "size": 10},
                customdata=[
                    [text(level_name(level)), 100 * part.low, 100 * part.high, part.seeds]
                    for level, part in zip(shown, parts, strict=True)
                ],
                hovertemplate="%{fullData.name}, %{customdata[0]}<br>%{y:+.1f} points "
                "[%{customdata[1]:+.1f}, %{customdata[2]:+.1f}], seeds: %{customdata[3]}<extra></extra>",
            )
        ticks = list(range(len(panel.levels)))
        drawn.update_xaxes(
            row=row,
            col=1,
            tickvals=ticks,
            ticktext=[wrapped(level) for level in panel.levels],
            range=[-0.5, len(panel.levels) - 0.5],
            showgrid=False,
            zeroline=False,
        )
        drawn.update_yaxes(row=row, col=1, title="change, points", zeroline=True, zerolinewidth=2, ticksuffix=" ")
    return drawn


figure = Figure(
    compute,
    draw,
    "Change of test accuracy against each arm's own baseline at the same seed, in percentage points, with 95 % "
    "intervals. At the line of zero, leaving the baseline policy costs nothing.",
)
