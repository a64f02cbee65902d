"""Test accuracy of every chain, with intervals, single seeds and step 0."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.measures.robustness import mean_score
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, styles
from hpt_ray.report.figures.accuracy import step0_stroke
from hpt_ray.report.forest import Line, Plot, forest


@dataclass(frozen=True)
class Chain:
    """One arm at the baseline: its accuracy, that of each finished seed, and that at step 0, as shares."""

    arm: str
    label: str
    accuracy: Interval
    seeds: tuple[float, ...]
    step0: Interval | None


@dataclass(frozen=True)
class FinishedChains:
    """One target: the chains that finished; ``arms`` are all chains of the study."""

    target: str
    metric: Metric
    arms: tuple[str, ...]
    chains: tuple[Chain, ...]


def compute(run: Run) -> tuple[FinishedChains, ...]:
    return tuple(_panel(run, target) for target in run.study.targets)


def _panel(run: Run, target: str) -> FinishedChains:
    chains = []
    for arm, label in run.arms.items():
        level = run.standard_level(arm)
        if (reached := mean_score(run, target, arm, level)) is not None:
            by_seed = run.scores(target, arm, level).mean(axis=1)
            finished = tuple(by_seed[~np.isnan(by_seed)].tolist())
            chains.append(Chain(arm, label, reached, finished, mean_score(run, target, arm, level, step0=True)))
    return FinishedChains(target, run.metric, tuple(run.arms), tuple(chains))


def draw(value: tuple[FinishedChains, ...]) -> go.Figure:
    value = tuple(panel for panel in value if panel.chains)
    style = styles([arm for panel in value[:1] for arm in panel.arms])
    plots = [
        Plot(panel.target, tuple(Line(chain.label, chain.accuracy, style[chain.arm]) for chain in panel.chains))
        for panel in value
    ]
    axis = value[0].metric.axis if value else ""
    drawn = forest(plots, axis=axis, unit="%", signed=False)
    for row, panel in enumerate(value, start=1):
        for place, chain in enumerate(panel.chains):
            color = style[chain.arm].color
            shared = {"row": row, "col": 1, "showlegend": False, "mode": "markers"}
            drawn.add_scatter(
                **shared,
                x=[100 * seed for seed in chain.seeds],
                y=[place + 0.25] * len(chain.seeds),
                marker={"symbol": "circle-open", "size": 7, "color": color, "line": {"width": 1.5}},
                hoverinfo="skip",
            )
            if chain.step0 is not None:
                drawn.add_scatter(
                    **shared,
                    x=[100 * chain.step0.estimate],
                    y=[place],
                    marker=step0_stroke(style[chain.arm], "line-ns"),
                    hovertemplate="step 0<br>%{x:.1f} %<extra></extra>",
                )
    return drawn


figure = Figure(
    compute,
    draw,
    "Test {metric} with 95 % intervals. Small open circles: single seeds. Short strokes: the same arm at step 0, "
    "before its last phase began, which is the chain without that phase; for a first phase, random features.",
)
