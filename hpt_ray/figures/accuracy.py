"""Absolute test accuracy per level and arm, with intervals, single seeds, step 0 and direct transfer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.bootstrap import Interval
from hpt_ray.analysis.robustness import accuracy
from hpt_ray.analysis.run import Run
from hpt_ray.analysis.wording import level_name, percent
from hpt_ray.figure import Figure, faint, looks, panels, text, wrapped


@dataclass(frozen=True)
class Series:
    """One arm: accuracy by level (shares), each finished seed's accuracy by level, and the accuracy at step 0."""

    label: str
    accuracy: dict[str, Interval]
    seeds: dict[str, tuple[float, ...]]
    step0: Interval | None


@dataclass(frozen=True)
class Panel:
    """One target: its levels, the arms that vary with them, and the arms that do not (drawn as horizontal lines)."""

    target: str
    levels: tuple[str, ...]
    arms: dict[str, Series]
    lines: dict[str, tuple[str, Interval]]


def compute(run: Run) -> tuple[Panel, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> Panel:
    arms: dict[str, Series] = {}
    lines: dict[str, tuple[str, Interval]] = {}
    for arm, label in run.arms.items():
        if run.factor is not None and not run.varies(arm):
            if (constant := accuracy(run, target, arm, run.baseline)) is not None:
                lines[arm] = (label, constant)
            continue
        found = {level: accuracy(run, target, arm, level) for level in run.levels}
        means = {level: run.correct(target, arm, level).mean(axis=1) for level in run.levels if found[level]}
        arms[arm] = Series(
            label=label,
            accuracy={level: part for level, part in found.items() if part is not None},
            seeds={level: tuple(part[~np.isnan(part)].tolist()) for level, part in means.items()},
            step0=accuracy(run, target, arm, run.baseline, step0=True),
        )
    return Panel(target, run.levels, arms, lines)


def draw(value: tuple[Panel, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=380)
    for row, panel in enumerate(value, start=1):
        look = looks([*panel.arms, *panel.lines])
        width = len(panel.levels) - 0.5
        for arm, (label, line) in panel.lines.items():
            band = {"x": [-0.5, width, width, -0.5], "y": [100 * end for end in (line.low,) * 2 + (line.high,) * 2]}
            shared = {"row": row, "col": 1, "legendgroup": arm}
            drawn.add_scatter(
                **shared, **band, fill="toself", fillcolor=faint(look[arm].color, 0.18), mode="none",
                showlegend=False, hoverinfo="skip",
            )  # fmt: skip
            drawn.add_scatter(
                **shared, x=[-0.5, width], y=[100 * line.estimate] * 2, mode="lines", name=text(label),
                showlegend=row == 1, line={"color": look[arm].color, "width": 2, "dash": "dash"},
                hovertemplate=f"%{{fullData.name}}<br>{percent(line.estimate)}<extra></extra>",
            )  # fmt: skip
        for number, (arm, series) in enumerate(panel.arms.items()):
            aside = (number - (len(panel.arms) - 1) / 2) * 0.6 / len(panel.arms)
            _draw_series(drawn, row, panel, arm, aside)
        if any(series.step0 for series in panel.arms.values()):
            drawn.add_scatter(
                row=row, col=1, x=[None], y=[None], mode="markers", name="step 0", showlegend=row == 1,
                marker={"symbol": "line-ew", "size": 14, "line": {"width": 2, "color": look_of_step0}},
            )  # fmt: skip
        drawn.update_xaxes(
            row=row, col=1, tickvals=list(range(len(panel.levels))), ticktext=[wrapped(level) for level in panel.levels],
            range=[-0.5, width], showgrid=False, zeroline=False,
        )  # fmt: skip
        drawn.update_yaxes(row=row, col=1, title="test accuracy, %", zeroline=False)
    return drawn


look_of_step0 = "#8A8A8A"


def _draw_series(drawn: go.Figure, row: int, panel: Panel, arm: str, aside: float) -> None:
    series, look = panel.arms[arm], looks([*panel.arms, *panel.lines])[arm]
    shared = {"row": row, "col": 1, "legendgroup": arm, "mode": "markers"}
    places = {level: panel.levels.index(level) + aside for level in series.accuracy}
    if series.step0 is not None:
        drawn.add_scatter(
            **shared, showlegend=False, x=list(places.values()), y=[100 * series.step0.estimate] * len(places),
            marker={"symbol": "line-ew", "size": 14, "line": {"width": 2, "color": faint(look.color, 0.75)}},
            hovertemplate=f"{text(series.label)}, step 0<br>{percent(series.step0.estimate)}<extra></extra>",
        )  # fmt: skip
    drawn.add_scatter(
        **shared, showlegend=False, hoverinfo="skip",
        x=[places[level] for level, seeds in series.seeds.items() for _ in seeds],
        y=[100 * seed for seeds in series.seeds.values() for seed in seeds],
        marker={"symbol": look.symbol + "-open", "size": 6, "color": look.color, "opacity": 0.55},
    )  # fmt: skip
    parts = list(series.accuracy.values())
    drawn.add_scatter(
        **shared, showlegend=row == 1, name=text(series.label), x=list(places.values()),
        y=[100 * part.estimate for part in parts],
        error_y={
            "type": "data", "symmetric": False, "thickness": 2, "width": 4,
            "array": [100 * (part.high - part.estimate) for part in parts],
            "arrayminus": [100 * (part.estimate - part.low) for part in parts],
        },
        marker={"color": look.color, "symbol": look.symbol, "size": 10},
        customdata=[
            [text(level_name(level)), 100 * part.low, 100 * part.high, part.seeds]
            for level, part in series.accuracy.items()
        ],
        hovertemplate="%{fullData.name}, %{customdata[0]}<br>%{y:.1f} % "
        "[%{customdata[1]:.1f}, %{customdata[2]:.1f}], seeds: %{customdata[3]}<extra></extra>",
    )  # fmt: skip


figure = Figure(
    compute,
    draw,
    "Test accuracy with 95 % intervals. Small open symbols: single seeds. Short strokes: the same arm at step 0, before "
    "its target pretraining. Dashed line and band: direct transfer, which no target policy can change.",
)
