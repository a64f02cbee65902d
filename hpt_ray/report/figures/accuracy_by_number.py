"""Test accuracy against the number that a factor varies (iterations, a fraction), on a log axis, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.measures.numbers import axis_name, number_name, numbers
from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, Style, beside, markers, panels, styles, text
from hpt_ray.report.figures.accuracy import SEEDS_ASIDE, draw_line, draw_seeds, step0_stroke

#: Parts of the numbers' range, in decades, left free before step 0 and before each level without a number.
APART = 0.34

#: The part of the gap between two levels over which arms stand apart.
SPREAD = 0.5

#: What stands for step 0 among levels: it comes first.
STEP0 = "step 0"


@dataclass(frozen=True)
class Series:
    """One arm, as shares: accuracy by level, each finished seed's by level, and that at step 0.

    ``step0`` is by level, under STEP0 alone where it is the same at every level; empty where it is another arm here.
    """

    label: str
    accuracy: dict[str, Interval]
    seeds: dict[str, tuple[float, ...]]
    step0: dict[str, Interval]


@dataclass(frozen=True)
class NumberAccuracies:
    """One target: level to number, names of all levels (those without a number last), what the numbers are, the arms
    that vary with them, and those that do not."""

    target: str
    metric: Metric
    numbers: dict[str, float]
    names: dict[str, str]
    axis: str
    arms: dict[str, Series]
    lines: dict[str, tuple[str, Interval]]


def compute(run: Run) -> tuple[NumberAccuracies, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> NumberAccuracies:
    levels = list(dict.fromkeys([*numbers(run), *run.levels]))
    arms: dict[str, Series] = {}
    lines: dict[str, tuple[str, Interval]] = {}
    for arm, label in run.arms.items():
        if run.factor is not None and not run.varies(arm):
            if (constant := mean_score(run, target, arm, run.baseline)) is not None:
                lines[arm] = (label, constant)
            continue
        by_level = {level: part for level in levels if (part := mean_score(run, target, arm, level)) is not None}
        means = {level: run.scores(target, arm, level).mean(axis=1) for level in by_level}
        seeds = {level: tuple(part[~np.isnan(part)].tolist()) for level, part in means.items()}
        arms[arm] = Series(label, by_level, seeds, _step0(run, target, arm, list(by_level)))
    names = {level: number_name(run, level) for level in levels}
    return NumberAccuracies(target, run.metric, numbers(run), names, axis_name(run), arms, lines)


def _step0(run: Run, target: str, arm: str, levels: list[str]) -> dict[str, Interval]:
    before = arm.rpartition(">")[0]
    if before in run.arms and run.varies(before):
        return {}  # its own symbols are there
    by_level = {
        level: part for level in levels if (part := mean_score(run, target, arm, level, step0=True)) is not None
    }
    same = len({part.estimate for part in by_level.values()}) == 1
    return {STEP0: next(iter(by_level.values()))} if same else by_level


def draw(value: tuple[NumberAccuracies, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=400)
    for row, panel in enumerate(value, start=1):
        places = _places(panel)
        ends = min(places.values()) - 0.1 * _range(panel), max(places.values()) + 0.1 * _range(panel)
        style = styles([*panel.arms, *panel.lines])
        for arm, (label, line) in panel.lines.items():
            draw_line(drawn, row, ends, (arm, label, style[arm]), line)
        gap = min((two - one for one, two in pairwise(sorted(places.values()))), default=1.0)
        for number, (arm, series) in enumerate(panel.arms.items()):
            aside = SPREAD * gap * beside(number, len(panel.arms))
            seeds_aside = SPREAD * gap * SEEDS_ASIDE / len(panel.arms)
            arm_places = {level: at + aside for level, at in places.items()}
            _draw_series(drawn, row, arm_places, panel, (arm, style[arm]), series, seeds_aside)
        names = [_tick(panel, level) for level in places]
        drawn.update_xaxes(row=row, col=1, tickvals=list(places.values()), ticktext=names, range=ends)
        drawn.update_xaxes(row=row, col=1, title=text(panel.axis), tickfont_size=12, ticklabeloverflow="allow")
        drawn.update_xaxes(row=row, col=1, zeroline=False, showgrid=False)
        drawn.update_yaxes(row=row, col=1, title=panel.metric.axis, zeroline=False)
    return drawn


def _range(panel: NumberAccuracies) -> float:
    """Decades between the smallest and the largest number."""
    return float(np.log10(max(panel.numbers.values()) / min(panel.numbers.values()))) if len(panel.numbers) > 1 else 1.0


def _places(panel: NumberAccuracies) -> dict[str, float]:
    """Where levels stand: numbers by their logarithm, step 0 before and what has no number after them."""
    places = {level: float(np.log10(number)) for level, number in panel.numbers.items()}
    apart = APART * _range(panel)
    if any(STEP0 in series.step0 for series in panel.arms.values()):
        places[STEP0] = min(places.values(), default=0.0) - apart
    for level in panel.names:
        if level not in places:
            places[level] = max(places.values(), default=0.0) + apart
    return places


def _tick(panel: NumberAccuracies, level: str) -> str:
    """A level below the axis: large numbers by thousands, so that they fit."""
    number = panel.numbers.get(level, 0.0)
    return f"{number / 1000:g}k" if number >= 10_000 else text(level_name(level))


def _draw_series(
    drawn: go.Figure,
    row: int,
    places: dict[str, float],
    panel: NumberAccuracies,
    arm: tuple[str, Style],
    series: Series,
    seeds_aside: float,
) -> None:
    """One arm's symbols, joined where they have a number, with its single seeds and its strokes at step 0."""
    chain, style = arm
    shared = {"row": row, "col": 1, "legendgroup": chain}
    if series.step0:
        drawn.add_scatter(
            **shared,
            x=[places[level] for level in series.step0],
            y=[100 * part.estimate for part in series.step0.values()],
            mode="markers",
            marker=step0_stroke(style),
            showlegend=False,
            hovertemplate=f"{text(series.label)}, step 0<br>%{{y:.1f}} %<extra></extra>",
        )
    draw_seeds(drawn, shared, {level: at + seeds_aside for level, at in places.items()}, style, series.seeds)
    numbered = [level for level in series.accuracy if level in panel.numbers]
    for levels in (numbered, [level for level in series.accuracy if level not in numbered]):
        symbols = markers(style, [series.accuracy[level] for level in levels])
        drawn.add_scatter(
            **shared,
            name=text(series.label),
            showlegend=row == 1 and levels is numbered,
            x=[places[level] for level in levels],
            **symbols | {"mode": "lines+markers" if levels is numbered else "markers"},
            line={"color": style.color, "width": 1.5},
            text=[text(panel.names[level]) for level in levels],
            hovertemplate="%{fullData.name}, %{text}<br>%{y:.1f} % [%{customdata[0]:.1f}, %{customdata[1]:.1f}], "
            "seeds: %{customdata[2]}<extra></extra>",
        )


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals; the axis is logarithmic, and arms are drawn side by side so that none hides "
    "another. Small open symbols beside them: single seeds. Strokes: the same arm at step 0, before its last phase. "
    "Dashed line and band: an arm that this factor does not touch.",
)
