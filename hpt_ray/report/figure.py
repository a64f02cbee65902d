"""What a figure is: ``compute`` turns a run into a typed value, ``draw`` turns the value into a picture.

``report/figures/NAME.py`` defines ``figure = Figure(compute, draw, caption)``. Tests look at the computed value; the
report draws it. Figures carry no colours of axes, grid or text: the page sets those, in light and in dark.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.subplots import make_subplots

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.verdict import Table
from hpt_ray.core.text import visible

Value = TypeVar("Value")

#: A Plotly figure, a table, or trusted HTML of our own making.
Drawing: TypeAlias = go.Figure | Table | Markup


@dataclass(frozen=True)
class Figure(Generic[Value]):
    """Two functions and a caption. ``compute`` is pure and returns what is there; it never fails on a partial run.

    The caption has the run's metric as ``{metric}`` ("accuracy"), ``{metrics}``, ``{Metric}`` or ``{Metrics}``.

    ``every_factor``: it shows a run of several factors; any other figure is given a view of one factor.
    """

    compute: Callable[[Run], Value]
    draw: Callable[[Value], Drawing]
    caption: str
    every_factor: bool = False


class Style(NamedTuple):
    """How an arm is drawn, in every figure alike."""

    color: str
    symbol: str


#: Okabe and Ito's colours (2008), which colour-blind readers can tell apart, the blue lightened to be legible on
#: near-black as on white; the symbol repeats what the colour says. The paper's arms, then styles for any other chain.
STYLES = {
    "target": Style("#D55E00", "circle"),
    "base": Style("#8A8A8A", "line-ew"),
    "base>target": Style("#2E86C9", "diamond"),
    "base>target:bn": Style("#009E73", "square"),
}
OTHERS = (Style("#CC79A7", "triangle-up"), Style("#E69F00", "triangle-down"), Style("#56B4E9", "x"))


def styles(arms: list[str]) -> dict[str, Style]:
    """A style for every arm: fixed for the paper's four, in order for the others."""
    others = [arm for arm in arms if arm not in STYLES]
    return {arm: STYLES[arm] if arm in STYLES else OTHERS[others.index(arm) % len(OTHERS)] for arm in arms}


def faint(color: str, opacity: float) -> str:
    """A colour ``#RRGGBB`` with an opacity, as Plotly reads it."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def text(name: str) -> str:
    """A name from outside for Plotly, which reads a little HTML in labels, and ``%{...}`` in templates of them."""
    return html.escape(visible(name), quote=False).replace("%{", "&#37;{")


def beside(number: int, count: int) -> float:
    """Where the ``number``th of ``count`` arms stands around its level, in a width that leaves a gap to the next."""
    return (number - (count - 1) / 2) * 0.6 / count


def markers(style: Style, intervals: list[Interval], *, along: str = "y", factor: float = 100) -> dict[str, Any]:
    """Estimates of shares as symbols with error bars, in per cent or points, along one axis; for ``add_scatter``.

    ``factor``: what values are multiplied by, where they are no shares.
    """
    bars = {
        "type": "data",
        "symmetric": False,
        "array": [factor * (part.high - part.estimate) for part in intervals],
        "arrayminus": [factor * (part.estimate - part.low) for part in intervals],
        "thickness": 2,
        "width": 4,
    }
    return {
        "mode": "markers",
        along: [factor * part.estimate for part in intervals],
        f"error_{along}": bars,
        # The line is all there is of symbols without a face.
        "marker": {
            "color": style.color,
            "symbol": style.symbol,
            "size": 10,
            "line": {"width": 2, "color": style.color},
        },
        "customdata": [[factor * part.low, factor * part.high, part.seeds] for part in intervals],
    }


def series(arm: str, label: str, row: int) -> dict[str, Any]:
    """What makes a trace an arm's in the panel of a row, with one entry in the legend for all; for ``add_scatter``."""
    return {"row": row, "col": 1, "name": text(label), "legendgroup": arm, "showlegend": row == 1}


def level_axis(drawn: go.Figure, row: int, levels: tuple[str, ...]) -> None:
    """Make the horizontal axis of a panel one of named levels, at 0, 1, 2, ..."""
    names = [text(level_name(level)).replace(" ", "<br>").replace("<br>+", " +") for level in levels]
    ticks = {"tickvals": list(range(len(levels))), "ticktext": names, "tickangle": 0, "tickfont": {"size": 12}}
    drawn.update_xaxes(row=row, col=1, **ticks, range=[-0.5, len(levels) - 0.5], showgrid=False, zeroline=False)


def panels(titles: list[str], *, height: int) -> go.Figure:
    """An empty figure of panels, one below the other, ``height`` pixels each; several show their titles."""
    shown = [text(title) for title in titles] if len(titles) > 1 else None
    drawn = make_subplots(rows=len(titles), cols=1, subplot_titles=shown, vertical_spacing=90 / (height * len(titles)))
    drawn.update_layout(
        template="none",
        height=height * len(titles) + 100,
        margin={"l": 56, "r": 12, "t": 32 if shown else 12, "b": 90},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
    )
    drawn.update_annotations(font_size=13, x=0, xanchor="left", yshift=8)
    return drawn
