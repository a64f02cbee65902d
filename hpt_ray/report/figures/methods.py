"""HPT minus its alternatives under each method, and how these differences differ between methods: a forest plot."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.verdicts.methods import findings
from hpt_ray.report.figure import STYLES, Figure, Style
from hpt_ray.report.forest import Line, Plot, forest

BETWEEN = Style("#8A8A8A", "circle")


@dataclass(frozen=True)
class MethodClaims:
    """HPT against one arm on one target: the claims under each method, and between each two, that could be had."""

    target: str
    against: str
    under: dict[str, Claim]
    changes: dict[tuple[str, str], Claim]


def compute(run: Run) -> tuple[MethodClaims, ...]:
    return tuple(
        MethodClaims(
            target=target,
            against=run.arms[finding.other],
            under={level: claim for level, claim in finding.under.items() if claim.difference is not None},
            changes={pair: claim for pair, claim in finding.changes.items() if claim.difference is not None},
        )
        for target in run.study.targets
        for finding in findings(run, target)
    )


def draw(value: tuple[MethodClaims, ...]) -> go.Figure:
    several_targets = len({panel.target for panel in value}) > 1
    plots = []
    for panel in value:
        lines = [_line(level_name(level), claim, STYLES[HPT]) for level, claim in panel.under.items()]
        lines += [
            _line(f"{level_name(first)} minus {level_name(second)}", claim, BETWEEN)
            for (first, second), claim in panel.changes.items()
        ]
        title = f"HPT minus {panel.against.lower()}"
        plots.append(Plot(f"{title}, {panel.target}" if several_targets else title, tuple(filter(None, lines))))
    return forest(plots)


def _line(name: str, claim: Claim, style: Style) -> Line | None:
    decided = claim.outcome is not Outcome.UNDECIDED
    return Line(name, claim.difference, style, decided) if claim.difference is not None else None


figure = Figure(
    compute,
    draw,
    "Blue: {metric} of HPT minus that of the other arm under each method, in points with 95 % intervals. Gray, "
    "exploratory: the difference of two such differences, in which zero means that the two methods agree. Filled "
    "symbols stand after Holm's correction, for the blue ones and for the gray ones of a target, or lie within 1 "
    "point; open: not enough evidence.",
)
