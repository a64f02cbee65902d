"""How much each operator of the policy matters to each arm, with intervals, beside what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.importance import Importance, importance
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.search import varying
from hpt_ray.report.figure import Figure, beside, markers, panels, series, styles
from hpt_ray.spec.policy_space import OPERATORS


@dataclass(frozen=True)
class OperatorImportances:
    """One target: per arm (chain, label) the importance of each operator."""

    target: str
    arms: dict[str, str]
    operators: dict[str, dict[str, Importance]]


def compute(run: Run) -> tuple[OperatorImportances, ...]:
    panels = []
    for target in run.study.targets if run.study.search else ():
        by_arm = {arm: importance(run, target, arm) for arm in varying(run)}
        arms = {arm: run.arms[arm] for arm, operators in by_arm.items() if operators is not None}
        panels.append(
            OperatorImportances(target, arms, {arm: part for arm in arms if (part := by_arm[arm]) is not None})
        )
    return tuple(panels)


def draw(value: tuple[OperatorImportances, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value] or [""], height=320)
    names = list(OPERATORS)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        for number, (arm, importances) in enumerate(panel.operators.items()):
            # The first operator and the first arm stand at the top.
            places = [-names.index(operator) - beside(number, len(panel.operators)) for operator in importances]
            shares = [part.share for part in importances.values()]
            drawn.add_scatter(
                **series(arm, panel.arms[arm], row),
                y=places,
                **_shown(markers(style[arm], shares, along="x"), list(importances.values()), style[arm].symbol),
                text=[f"{operator}, p {part.p:.3f}" for operator, part in importances.items()],
                hovertemplate="%{fullData.name}, %{text}<br>%{x:.0f} % [%{customdata[0]:.0f}, %{customdata[1]:.0f}]"
                "<extra></extra>",
            )
        for operator, part in next(iter(panel.operators.values()), {}).items():
            place = -names.index(operator)
            drawn.add_scatter(
                row=row,
                col=1,
                x=[100 * part.chance] * 2,
                y=[place - 0.35, place + 0.35],
                mode="lines",
                line={"color": "#8A8A8A", "width": 2, "dash": "dot"},
                showlegend=False,
                hoverinfo="skip",
            )
        drawn.update_xaxes(row=row, col=1, title="share of importance, %", range=[-2, 102], zeroline=False)
        ticks = {"tickvals": [-place for place in range(len(names))], "ticktext": names}
        drawn.update_yaxes(row=row, col=1, range=[-len(names) + 0.5, 0.5], showgrid=False, zeroline=False, **ticks)
    drawn.update_layout(margin_l=84)
    return drawn


def _shown(drawn: dict[str, object], importances: list[Importance], symbol: str) -> dict[str, object]:
    """Filled symbols for operators that are shown to matter, open ones for the others."""
    symbols = [symbol if part.shown else f"{symbol}-open" for part in importances]
    marker = drawn["marker"]
    assert isinstance(marker, dict)
    return drawn | {"marker": marker | {"symbol": symbols}}


figure = Figure(
    compute,
    draw,
    "Share of all importance that an operator's parameters have for {metric} on val (PED-ANOVA), with 95 % intervals "
    "from resampling the random policies. Dotted: what an operator has by chance. Filled: shown to matter by a "
    "permutation test with Holm's correction; open: not shown to.",
    every_factor=True,
)
