"""What each phase of a hierarchy adds: the gain in accuracy over the chain without it, as a forest plot."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.findings import Gain
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdicts.phases import gains
from hpt_ray.report.figure import Figure, styles
from hpt_ray.report.forest import Line, Plot, forest


@dataclass(frozen=True)
class PhaseGains:
    """One target: the gains that could be had, those of one phase together; ``arms`` are all chains of the study."""

    target: str
    arms: tuple[str, ...]
    gains: tuple[Gain, ...]


def compute(run: Run) -> tuple[PhaseGains, ...]:
    panels = []
    for target in run.study.targets:
        known = [gain for gain in gains(run, target) if gain.claim.difference is not None]
        phases = list(dict.fromkeys(gain.phase for gain in known))
        panels.append(
            PhaseGains(target, tuple(run.arms), tuple(sorted(known, key=lambda gain: phases.index(gain.phase))))
        )
    return tuple(panels)


def draw(value: tuple[PhaseGains, ...]) -> go.Figure:
    plots = []
    for panel in value:
        style = styles(list(panel.arms))
        lines = [
            Line(
                f"{gain.phase} in {gain.chain}",
                gain.claim.difference,
                style[gain.chain],
                gain.claim.outcome is not Outcome.UNDECIDED,
            )
            for gain in panel.gains
            if gain.claim.difference is not None
        ]
        plots.append(Plot(panel.target, tuple(lines)))
    return forest(plots, axis="gain, points")


figure = Figure(
    compute,
    draw,
    "{Metric} of a chain minus that of the same chain without the phase, at the same seeds and test examples, in "
    "points with 95 % intervals. Filled symbols: the difference stands after Holm's correction for all gains on a "
    "target, or lies within 1 point; open: not enough evidence. Colours are those of the chains.",
)
