"""Training by iteration: loss, spread of the features and the online monitor, mean over seeds with the band of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from hpt_ray.analysis.measures.run import DIRECT, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.core.text import visible
from hpt_ray.report.figure import Figure, faint, panels, styles, text

#: Column of ``curves`` to the title of its panel. The online monitor's are sparse, and older runs have none.
MEASURES = {
    "loss": "Pretraining loss",
    "feature_std": "Feature standard deviation",
    "knn": "Online kNN accuracy",
    "effective_rank": "Effective rank of the features",
}

#: Curves of fewer points show them, as what lies between was not measured.
SPARSE = 30

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
    measures = [measure for measure in MEASURES if measure in table]
    # The base's own pretraining has its curve in its own arm; chains show their last phase.
    table = table[table["phase"] == table["arm"].map({arm: arm.rsplit(">", 1)[-1] for arm in run.arms})]
    level = table[run.factor.name].fillna("") if run.factor else ""
    by_iteration = (
        table.astype(dict.fromkeys(measures, float))
        .assign(level=level)
        .groupby(["target", "arm", "level", "iteration"])[measures]
        .agg(["mean", "min", "max"])
    )
    parts = {place: part.droplevel([0, 1, 2]) for place, part in by_iteration.groupby(["target", "arm", "level"])}
    curves = [
        Curve(target, arm, label, name, measure, **_thinned(part.index.to_numpy(), part[measure].to_numpy()))
        for target, (arm, label), name in itertools.product(run.study.targets, run.arms.items(), ("", *run.levels))
        if (part := parts.get((target, arm, name))) is not None
        for measure in measures
    ]
    levels = tuple(level for level in run.levels if level and any(curve.level == level for curve in curves))
    return Curves(levels, tuple(curve for curve in dict.fromkeys(curves) if curve.iteration))


def _thinned(iterations: np.ndarray, values: np.ndarray) -> dict[str, Any]:
    """Mean, lowest and highest over seeds, values [iterations, 3], where measured; evenly, from the last point back."""
    there = np.flatnonzero(~np.isnan(values).any(axis=1))
    rows = there[::-1][:: max(1, -(-len(there) // RESOLUTION))][::-1]
    mean, low, high = (tuple(column) for column in values[rows].T.tolist())
    return {"iteration": tuple(iterations[rows].tolist()), "mean": mean, "low": low, "high": high}


class Owner(NamedTuple):
    """What a curve belongs to; ``base``: it is the base's own pretraining, beside other arms."""

    target: str
    level: str
    base: bool

    def visible(self, target: str, level: str) -> bool | str:
        """Whether it is shown where a target and a level are chosen; the base's, which is long, in the legend alone."""
        shown = self.target == target and self.level in ("", level)
        return "legendonly" if shown and self.base else shown


def draw(value: Curves) -> go.Figure:
    measures = [name for name in MEASURES if any(curve.measure == name for curve in value.curves)] or ["loss"]
    drawn = panels([MEASURES[name] for name in measures], height=260)
    arms = list(dict.fromkeys(curve.arm for curve in value.curves))
    style = styles(arms)
    targets = dict.fromkeys(curve.target for curve in value.curves)
    choices = list(itertools.product(targets, value.levels or ("",)))
    owners = []
    labelled = set()
    for curve in value.curves:
        color = style[curve.arm].color
        owner = Owner(curve.target, curve.level, curve.arm == DIRECT and len(arms) > 1)
        shared = {
            "row": measures.index(curve.measure) + 1,
            "col": 1,
            "legendgroup": curve.arm,
            "visible": owner.visible(*choices[0]),
        }
        drawn.add_scatter(
            **shared,
            x=curve.iteration + curve.iteration[::-1],
            y=curve.low + curve.high[::-1],
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
            mode="lines+markers" if len(curve.iteration) < SPARSE else "lines",
            line={"color": color, "width": 2},
            marker={"size": 5},
            name=text(curve.label),
            showlegend=(curve.arm, owner) not in labelled,
            hovertemplate="%{fullData.name}, iteration %{x}<br>%{y:.3g}<extra></extra>",
        )
        labelled.add((curve.arm, owner))
        owners += [owner] * 2
    drawn.update_xaxes(title="iteration", zeroline=False)
    drawn.update_yaxes(zeroline=False)
    if len(choices) > 1:
        drawn.update_layout(meta={"choices": _choices(choices, owners, several_targets=len(targets) > 1)})
    return drawn


def _choices(choices: list[tuple[str, str]], owners: list[Owner], *, several_targets: bool) -> list[dict[str, object]]:
    """What the page's menu of a figure offers: the curves of one level, of several targets on one of them.

    Each has its ``label``, as plain text, and which traces are ``visible``.
    """
    return [
        {
            "label": visible(
                ", ".join([*([target] if several_targets else []), *([level_name(level)] if level else [])])
            ),
            "visible": [owner.visible(target, level) for owner in owners],
        }
        for target, level in choices
    ]


figure = Figure(
    compute,
    draw,
    "Mean over seeds; the band spans the single seeds. The curve of direct transfer is the base's own pretraining; "
    "click its name to see it. A feature standard deviation near zero is collapse; 1/\N{SQUARE ROOT}d is the most that "
    "d dimensions allow. Where the online monitor looked: kNN accuracy is that of val images by train images, and the "
    "effective rank is how many directions their features vary in. An end below the start is forgetting, or collapse.",
)
