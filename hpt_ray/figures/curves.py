"""Training by iteration: the loss and the spread of the features, mean over seeds with the band of single seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from hpt_ray.analysis.run import Run
from hpt_ray.analysis.wording import level_name
from hpt_ray.figure import Figure, faint, looks, panels, text

#: Column of ``curves`` to the title of its panel.
MEASURES = {"loss": "Contrastive loss", "feature_std": "Feature standard deviation"}

#: Points drawn per curve: more than a screen shows, few enough for a page of a long run to stay small.
RESOLUTION = 200


@dataclass(frozen=True)
class Curve:
    """One arm at one level, one measure: mean, lowest and highest over seeds at each iteration."""

    target: str
    arm: str
    label: str
    level: str
    measure: str
    iteration: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Curves:
    """All curves, with the levels to choose from, the baseline first."""

    levels: tuple[str, ...]
    curves: tuple[Curve, ...]


def compute(run: Run) -> Curves:
    table = run.curves
    level = table[run.factor.name].astype(object) if run.factor else pd.Series("", index=table.index)
    table = table.assign(level=level.where(level.notna(), ""))
    found = []
    for target in run.study.targets:
        for arm, label in run.arms.items():
            # The base's own pretraining has its curve in its own arm; chains show their last phase.
            last = arm.rsplit(">", 1)[-1]
            mine = table[(table["target"] == target) & (table["arm"] == arm) & (table["phase"] == last)]
            for name in [name for name in ("", *run.levels) if (mine["level"] == name).any()]:
                part = mine[mine["level"] == name]
                found += [Curve(target, arm, label, name, measure, **_seeds(part, measure)) for measure in MEASURES]
    levels = tuple(level for level in run.levels if any(curve.level == level for curve in found))
    return Curves(levels, tuple(curve for curve in dict.fromkeys(found) if curve.iteration))


def _seeds(part: pd.DataFrame, measure: str) -> dict[str, Any]:
    """Mean, lowest and highest over seeds by iteration, thinned evenly from the last point back."""
    by_iteration = part.dropna(subset=[measure]).groupby("iteration")[measure].agg(["mean", "min", "max"])
    step = max(1, -(-len(by_iteration) // RESOLUTION))
    kept = by_iteration.iloc[::-1].iloc[::step].iloc[::-1]
    mean, low, high = (tuple(kept[column].astype(float)) for column in ("mean", "min", "max"))
    return {"iteration": tuple(int(at) for at in kept.index), "mean": mean, "low": low, "high": high}


def draw(value: Curves) -> go.Figure:
    targets = list(dict.fromkeys(curve.target for curve in value.curves)) or [""]
    titles = [
        f"{title}{f', {target}' if len(targets) > 1 else ''}" for target in targets for title in MEASURES.values()
    ]
    drawn = panels(titles, height=300)
    look = looks(list(dict.fromkeys(curve.arm for curve in value.curves)))
    owners = []
    labelled = set()
    for curve in value.curves:
        row = targets.index(curve.target) * len(MEASURES) + list(MEASURES).index(curve.measure) + 1
        color = look[curve.arm].color
        shown = _visible(curve.level, value.levels[:1], value.levels)
        band_x, band_y = curve.iteration + curve.iteration[::-1], curve.low + curve.high[::-1]
        shared = {"row": row, "col": 1, "legendgroup": curve.arm, "visible": shown}
        drawn.add_scatter(
            **shared,
            x=band_x,
            y=band_y,
            fill="toself",
            fillcolor=faint(color, 0.15),
            mode="none",
            showlegend=False,
            hoverinfo="skip",
        )
        drawn.add_scatter(
            **shared,
            x=curve.iteration,
            y=curve.mean,
            mode="lines",
            line={"color": color, "width": 2},
            name=text(curve.label),
            showlegend=(curve.arm, curve.level) not in labelled,
            hovertemplate="%{fullData.name}, iteration %{x}<br>%{y:.3g}<extra></extra>",
        )
        labelled.add((curve.arm, curve.level))
        owners += [curve.level] * 2
    drawn.update_xaxes(title="iteration", zeroline=False)
    drawn.update_yaxes(zeroline=False)
    if len(value.levels) > 1:
        drawn.update_layout(margin_t=100, updatemenus=[_menu(value.levels, owners)])
    return drawn


def _visible(level: str, chosen: tuple[str, ...], levels: tuple[str, ...]) -> bool | str:
    """A curve without a level beside others with one is the base's: long, so at first it is in the legend alone."""
    return "legendonly" if levels and not level else level in ("", *chosen)


def _menu(levels: tuple[str, ...], owners: list[str]) -> dict[str, object]:
    """A drop-down that shows one level's curves."""
    return {
        "buttons": [
            {
                "label": text(level_name(level)),
                "method": "restyle",
                "args": [{"visible": [_visible(owner, (level,), levels) for owner in owners]}],
            }
            for level in levels
        ],
        "x": 0,
        "xanchor": "left",
        "y": 1,
        "yanchor": "bottom",
        "pad": {"b": 34},
        "showactive": True,
    }


figure = Figure(
    compute,
    draw,
    "Mean over seeds; the band spans the single seeds. The curve of direct transfer is the base's own pretraining; "
    "click its name to see it. A feature standard deviation near zero is collapse; 1/\N{SQUARE ROOT}d is the most that "
    "d dimensions allow.",
)
