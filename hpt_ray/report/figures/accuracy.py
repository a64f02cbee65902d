"""Absolute test accuracy per level and arm, with intervals, single seeds, step 0 and direct transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, Style, beside, faint, level_axis, markers, panels, styles, text

#: Single seeds stand beside their arm's interval, which would hide them: by this part of a level over the arms.
SEEDS_ASIDE = 0.2


@dataclass(frozen=True)
class Series:
    """One arm: accuracy by level (shares), each finished seed's accuracy by level, and the accuracy at step 0."""

    label: str
    accuracy: dict[str, Interval]
    seeds: dict[str, tuple[float, ...]]
    step0: Interval | None


@dataclass(frozen=True)
class LevelAccuracies:
    """One target: its levels, the arms that vary with them, and the arms that do not (drawn as horizontal lines)."""

    target: str
    metric: Metric
    levels: tuple[str, ...]
    arms: dict[str, Series]
    lines: dict[str, tuple[str, Interval]]


def compute(run: Run) -> tuple[LevelAccuracies, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> LevelAccuracies:
    arms: dict[str, Series] = {}
    lines: dict[str, tuple[str, Interval]] = {}
    for arm, label in run.arms.items():
        if run.factor is not None and not run.varies(arm):
            if (constant := mean_score(run, target, arm, run.baseline)) is not None:
                lines[arm] = (label, constant)
            continue
        by_level = {level: mean_score(run, target, arm, level) for level in run.levels}
        means = {level: run.scores(target, arm, level).mean(axis=1) for level in run.levels if by_level[level]}
        arms[arm] = Series(
            label=label,
            accuracy={level: part for level, part in by_level.items() if part is not None},
            seeds={level: tuple(part[~np.isnan(part)].tolist()) for level, part in means.items()},
            step0=mean_score(run, target, arm, run.baseline, step0=True),
        )
    return LevelAccuracies(target, run.metric, run.levels, arms, lines)


def draw(value: tuple[LevelAccuracies, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=380)
    for row, panel in enumerate(value, start=1):
        style = styles([*panel.arms, *panel.lines])
        for arm, (label, line) in panel.lines.items():
            draw_line(drawn, row, (-0.5, len(panel.levels) - 0.5), (arm, label, style[arm]), line)
        for number, (arm, series) in enumerate(panel.arms.items()):
            aside = beside(number, len(panel.arms))
            places = {level: panel.levels.index(level) + aside for level in panel.levels}
            _draw_series(drawn, row, places, (arm, style[arm]), series, SEEDS_ASIDE / len(panel.arms))
        level_axis(drawn, row, panel.levels)
        drawn.update_yaxes(row=row, col=1, title=panel.metric.axis, zeroline=False)
    return drawn


def draw_line(
    drawn: go.Figure, row: int, ends: tuple[float, float], arm: tuple[str, str, Style], line: Interval
) -> None:
    """A horizontal dashed line with the band of its interval."""
    chain, label, style = arm
    low, high = 100 * line.low, 100 * line.high
    shared = {"row": row, "col": 1, "legendgroup": chain}
    drawn.add_scatter(
        **shared,
        x=[*ends, *reversed(ends)],
        y=[low, low, high, high],
        fill="toself",
        fillcolor=faint(style.color, 0.18),
        mode="none",
        showlegend=False,
        hoverinfo="skip",
    )
    drawn.add_scatter(
        **shared,
        x=list(ends),
        y=[100 * line.estimate] * 2,
        mode="lines",
        line={"color": style.color, "width": 2, "dash": "dash"},
        name=text(label),
        showlegend=row == 1,
        hovertemplate=f"%{{fullData.name}}<br>%{{y:.1f}} % [{low:.1f}, {high:.1f}]<extra></extra>",
    )


def _draw_series(
    drawn: go.Figure, row: int, places: dict[str, float], arm: tuple[str, Style], series: Series, seeds_aside: float
) -> None:
    """One arm's symbols with intervals, its single seeds and its strokes at step 0."""
    chain, style = arm
    shared = {"row": row, "col": 1, "legendgroup": chain}
    if series.step0 is not None:
        drawn.add_scatter(
            **shared,
            x=[places[level] for level in series.accuracy],
            y=[100 * series.step0.estimate] * len(series.accuracy),
            mode="markers",
            marker=step0_stroke(style),
            showlegend=False,
            hovertemplate=f"{text(series.label)}, step 0<br>%{{y:.1f}} %<extra></extra>",
        )
    draw_seeds(drawn, shared, {level: at + seeds_aside for level, at in places.items()}, style, series.seeds)
    drawn.add_scatter(
        **shared,
        name=text(series.label),
        showlegend=row == 1,
        x=[places[level] for level in series.accuracy],
        **markers(style, list(series.accuracy.values())),
        text=[text(level_name(level)) for level in series.accuracy],
        hovertemplate="%{fullData.name}, %{text}<br>%{y:.1f} % [%{customdata[0]:.1f}, %{customdata[1]:.1f}], "
        "seeds: %{customdata[2]}<extra></extra>",
    )


def step0_stroke(style: Style, symbol: str = "line-ew") -> dict[str, Any]:
    """The marker of an arm's value at step 0: a stroke, as strong as the arm's symbol."""
    return {"symbol": symbol, "size": 16, "line": {"width": 3, "color": style.color}}


def draw_seeds(
    drawn: go.Figure,
    shared: dict[str, Any],
    places: dict[str, float],
    style: Style,
    seeds: dict[str, tuple[float, ...]],
) -> None:
    """The accuracy of every single seed, as small open symbols at the place of its level."""
    drawn.add_scatter(
        **shared,
        x=[places[level] for level, values in seeds.items() for _ in values],
        y=[100 * value for values in seeds.values() for value in values],
        mode="markers",
        marker={"symbol": style.symbol + "-open", "size": 7, "color": style.color, "line": {"width": 1.5}},
        showlegend=False,
        hoverinfo="skip",
    )


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals. Small open symbols beside them: single seeds. Short strokes: the same arm at "
    "step 0, before its target pretraining. Dashed line and band: direct transfer, which no target policy can change.",
)
