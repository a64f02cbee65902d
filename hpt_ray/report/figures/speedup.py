"""Speed-up over pretraining from scratch, against the accuracy that is reached with it, with intervals and bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpt_ray.analysis.measures.numbers import field
from hpt_ray.analysis.measures.run import SCRATCH, Run
from hpt_ray.analysis.measures.speedup import Bound, SpeedUp, speed_ups
from hpt_ray.analysis.measures.spending import curve, estimate, times_interval
from hpt_ray.core.metric import Metric
from hpt_ray.report.figure import Figure, Style, panels, styles, text

#: Ratios to mark on the axis.
RATIOS = [one * 10.0**power for power in range(-4, 5) for one in (1, 2, 5)]


@dataclass(frozen=True)
class TargetSpeedUps:
    """One target: per arm (chain) its label, and the speed-up in iterations at the accuracy of each of its budgets."""

    target: str
    metric: Metric
    arms: dict[str, str]
    speeds: dict[str, dict[float, SpeedUp]]


def compute(run: Run) -> tuple[TargetSpeedUps, ...]:
    held = [arm for arm in run.arms if arm != SCRATCH and run.varies(arm) and field(run) == "iterations"]
    panels = []
    for target in run.study.targets:
        scratch = curve(run, target, SCRATCH, "iterations") if SCRATCH in run.arms else {}
        mine = {arm: curve(run, target, arm, "iterations") for arm in held}
        speeds = {arm: _apart(speed_ups(budgets, scratch)) for arm, budgets in mine.items() if budgets and scratch}
        panels.append(TargetSpeedUps(target, run.metric, {arm: run.arms[arm] for arm in held}, speeds))
    return tuple(panels)


def _apart(speeds: dict[float, SpeedUp]) -> dict[float, SpeedUp]:
    """Of budgets with one accuracy, their falls averaged out, the first."""
    levels = [round(speed.level, 9) for speed in speeds.values()]
    return {
        budget: speed for place, (budget, speed) in enumerate(speeds.items()) if levels[place] not in levels[:place]
    }


def draw(value: tuple[TargetSpeedUps, ...]) -> go.Figure:
    drawn = panels([panel.target for panel in value], height=380)
    for row, panel in enumerate(value, start=1):
        style = styles(list(panel.arms))
        ends = _ends(panel)
        for arm, speeds in panel.speeds.items():
            known = {budget: speed for budget, speed in speeds.items() if speed.bound is not Bound.UNKNOWN}
            _draw_arm(drawn, row, ends, (arm, panel.arms[arm], style[arm]), known)
        ticks = [ratio for ratio in RATIOS if ends[0] <= math.log10(ratio) <= ends[1]]
        names = [f"{ratio:,.10g}×" for ratio in ticks]
        drawn.update_yaxes(row=row, col=1, title="speed-up", tickvals=[math.log10(ratio) for ratio in ticks])
        drawn.update_yaxes(row=row, col=1, ticktext=names, range=ends, zeroline=True, zerolinewidth=2)
        reached = f"test {panel.metric.label} reached, {panel.metric.unit}"
        drawn.update_xaxes(row=row, col=1, title=reached, zeroline=False, range=_across(panel))
    return drawn


def _ends(panel: TargetSpeedUps) -> tuple[float, float]:
    """The vertical axis, in decades: all that is finite, and the line of no speed-up, with room to spare."""
    all_speeds = [speed for speeds in panel.speeds.values() for speed in speeds.values()]
    finite = [one for speed in all_speeds for one in (speed.ratio, speed.low, speed.high) if 0 < one < math.inf]
    decades = [math.log10(one) for one in [*finite, 1.0]]
    return min(decades) - 0.25, max(decades) + 0.25


def _across(panel: TargetSpeedUps) -> tuple[float, float]:
    """The horizontal axis, in per cent, with room for the number beside the last symbol."""
    reached = [100 * speed.level for speeds in panel.speeds.values() for speed in speeds.values()] or [0.0, 100.0]
    room = max(reached) - min(reached) or 1.0
    return min(reached) - 0.06 * room, max(reached) + 0.14 * room


def _draw_arm(
    drawn: go.Figure, row: int, ends: tuple[float, float], arm: tuple[str, str, Style], speeds: dict[float, SpeedUp]
) -> None:
    """One arm's symbols, open where they are bounds, with bars that end in an arrow where the interval is open."""
    chain, label, style = arm
    shared: dict[str, Any] = {"row": row, "col": 1, "legendgroup": chain}
    at = [100 * speed.level for speed in speeds.values()]
    middle = [math.log10(speed.ratio) for speed in speeds.values()]
    low = [math.log10(speed.low) if speed.low > 0 else ends[0] for speed in speeds.values()]
    high = [math.log10(speed.high) if speed.high < math.inf else ends[1] for speed in speeds.values()]
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, top - one) for top, one in zip(high, middle, strict=True)],
        "arrayminus": [max(0.0, one - bottom) for bottom, one in zip(low, middle, strict=True)],
        "thickness": 2,
        "width": 4,
    }
    open_ends = [
        *((x, ends[1], "triangle-up") for x, speed in zip(at, speeds.values(), strict=True) if speed.high == math.inf),
        *((x, ends[0], "triangle-down") for x, speed in zip(at, speeds.values(), strict=True) if speed.low <= 0),
    ]
    drawn.add_scatter(
        **shared,
        x=[x for x, _, _ in open_ends],
        y=[y for _, y, _ in open_ends],
        mode="markers",
        marker={"symbol": [symbol for *_, symbol in open_ends], "size": 9, "color": style.color},
        cliponaxis=False,
        showlegend=False,
        hoverinfo="skip",
    )
    drawn.add_scatter(
        **shared,
        name=text(label),
        showlegend=row == 1,
        x=at,
        y=middle,
        error_y=bars,
        mode="markers+text",
        marker={
            "color": style.color,
            "symbol": [style.symbol + ("-open" if speed.censored else "") for speed in speeds.values()],
            "size": 11,
            "line": {"width": 2, "color": style.color},
        },
        text=[f"{budget:,.0f}" for budget in speeds],
        textposition="middle right",
        textfont={"size": 12},
        customdata=[[times_interval(speed), estimate(speed)] for speed in speeds.values()],
        hovertemplate="%{fullData.name}, %{text} iterations<br>%{x:.1f} %: %{customdata[0]} times "
        "(95 %; estimate %{customdata[1]})<extra></extra>",
    )


figure = Figure(
    compute,
    draw,
    "The number beside a symbol is an arm's budget. Across: the {metric} it has by then; upwards: the iterations that"
    " from scratch needs for that {metric} over the arm's own, so that above the line the arm is faster. Bars are 95 % "
    "intervals; an arrow marks an end that the budgets leave open. Open symbols are bounds on what was seen, as where "
    "from scratch never has the {metric}; what is sure is the bar alone. {Metrics} are made to rise with the budget, "
    "falls averaged out. The base's own cost is not in it.",
)
