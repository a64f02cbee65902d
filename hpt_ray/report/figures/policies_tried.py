"""Every policy of a search that was pretrained in full: accuracy on val against each parameter, one panel each."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.search import tried, varying, winners
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.report.figure import Figure, Style, styles, text
from hpt_ray.spec.policy_space import SPACE

NAMES = {
    "crop_scale": "smallest crop, share of area",
    "jitter_strength": "jitter strength",
    "jitter_hue": "hue, turns",
    "jitter_p": "jitter probability",
    "grayscale_p": "grayscale probability",
    "blur_sigma": "largest blur, pixels",
    "blur_p": "blur probability",
    "flip_p": "flip probability",
}
COLUMNS = 2


@dataclass(frozen=True)
class TriedPolicies:
    """One target: per arm its policies at the full budget (columns of ``analysis.search.tried``) and its winner."""

    target: str
    arms: dict[str, str]
    policies: dict[str, pd.DataFrame]
    winners: dict[str, str]


def compute(run: Run) -> tuple[TriedPolicies, ...]:
    if run.study.search is None:
        return ()
    arms = {arm: run.arms[arm] for arm in varying(run)}
    panels = []
    for target in run.study.targets:
        table = tried(run, target)
        table = table[table["reached"] & table["value"].notna() & table["crop_scale"].notna()]
        panels.append(
            TriedPolicies(
                target,
                arms,
                {arm: table[table["arm"] == arm].reset_index(drop=True) for arm in arms},
                winners(run, target),
            )
        )
    return tuple(panels)


def draw(value: tuple[TriedPolicies, ...]) -> go.Figure:
    rows = -(-len(SPACE) // COLUMNS)
    drawn = make_subplots(
        rows=max(1, rows * len(value)),
        cols=COLUMNS,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=60 / (190 * max(1, rows * len(value))),
    )
    for number, panel in enumerate(value):
        style = styles(list(panel.arms))
        for place, name in enumerate(SPACE):
            row, column = number * rows + place // COLUMNS + 1, place % COLUMNS + 1
            for arm, table in panel.policies.items():
                legend = number == 0 and place == 0
                _draw(drawn, (row, column), panel, arm, (table, name), style[arm], legend)
            title = NAMES[name] + (f", {text(panel.target)}" if len(value) > 1 else "")
            drawn.update_xaxes(row=row, col=column, title={"text": title, "standoff": 4, "font": {"size": 12}})
            if column == 1:
                drawn.update_yaxes(row=row, col=column, title={"text": "val, %", "font": {"size": 12}})
    drawn.update_xaxes(zeroline=False)
    drawn.update_yaxes(zeroline=False)
    drawn.update_layout(
        template="none",
        height=190 * max(1, rows * len(value)) + 90,
        margin={"l": 48, "r": 12, "t": 12, "b": 90},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
    )
    return drawn


def _draw(
    drawn: go.Figure,
    place: tuple[int, int],
    panel: TriedPolicies,
    arm: str,
    shown: tuple[pd.DataFrame, str],
    style: Style,
    legend: bool,
) -> None:
    """One arm's policies along one parameter: random ones filled, those asked for open, the winner large."""
    table, name = shown
    best = table["level"] == panel.winners.get(arm)
    symbols = [style.symbol if random else f"{style.symbol}-open" for random in table["random"]]
    drawn.add_scatter(
        row=place[0],
        col=place[1],
        name=text(panel.arms[arm]),
        legendgroup=arm,
        showlegend=legend,
        x=table[name].tolist(),
        y=(100 * table["value"]).tolist(),
        mode="markers",
        marker={
            "color": style.color,
            "symbol": symbols,
            "size": [14 if chosen else 7 for chosen in best],
            "opacity": 0.85,
        },
        text=[text(level_name(level)) for level in table["level"]],
        hovertemplate="%{fullData.name}, %{text}<br>%{x:.2f}: %{y:.1f} % on val<extra></extra>",
    )


figure = Figure(
    compute,
    draw,
    "{Metric} on val at the full budget against each parameter of the policy. Filled: the random policies, the same "
    "for every arm. Open: those the sampler asked for and that passed the short budget. Large: the arm's best, which "
    "was then confirmed on other seeds.",
    every_factor=True,
)
