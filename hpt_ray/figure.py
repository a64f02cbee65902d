"""What a figure is: ``compute`` turns a run into a typed value, ``draw`` turns the value into a picture.

``hpt_ray/figures/NAME.py`` defines ``figure = Figure(compute, draw, caption)``. Tests look at the computed value; the
report draws it. Figures carry no colours of axes, grid or text: the page sets those, in light and in dark.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.subplots import make_subplots

from hpt_ray.analysis.run import Run
from hpt_ray.analysis.wording import level_name

Value = TypeVar("Value")

#: A Plotly figure, or trusted HTML of our own making.
Drawing = go.Figure | Markup


@dataclass(frozen=True)
class Figure(Generic[Value]):
    """Two functions and a caption. ``compute`` is pure and returns what is there; it never fails on a partial run."""

    compute: Callable[[Run], Value]
    draw: Callable[[Value], Drawing]
    caption: str


class Look(NamedTuple):
    """How an arm is drawn, in every figure alike."""

    color: str
    symbol: str


#: Okabe and Ito's colours (2008), legible on white and on near-black and to colour-blind readers; the symbol repeats
#: what the colour says. The paper's arms come first, then looks for any other chain.
LOOKS = {
    "target": Look("#D55E00", "circle"),
    "base": Look("#8A8A8A", "line-ew"),
    "base>target": Look("#0072B2", "diamond"),
    "base>target:bn": Look("#009E73", "square"),
}
OTHERS = (Look("#CC79A7", "triangle-up"), Look("#E69F00", "triangle-down"), Look("#56B4E9", "x"))


def looks(arms: list[str]) -> dict[str, Look]:
    """A look for every arm: fixed for the paper's four, in order for the others."""
    others = [arm for arm in arms if arm not in LOOKS]
    return {arm: LOOKS[arm] if arm in LOOKS else OTHERS[others.index(arm) % len(OTHERS)] for arm in arms}


def faint(color: str, opacity: float) -> str:
    """A colour ``#RRGGBB`` with an opacity, as Plotly reads it."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def text(name: str) -> str:
    """A name from outside for Plotly, which reads a little HTML in labels."""
    return html.escape(name, quote=False)


def wrapped(level: str) -> str:
    """A level's name in short lines, for the ticks of a narrow axis."""
    return text(level_name(level)).replace("_", " ").replace(" ", "<br>").replace("<br>+", " +")


def panels(titles: list[str], *, height: int, columns: int = 1, **options: object) -> go.Figure:
    """An empty figure of panels; titles are shown where there are several. ``height`` is of one row, in pixels."""
    rows = -(-len(titles) // columns)
    shown = [text(title) for title in titles] if len(titles) > 1 else None
    drawn = make_subplots(rows=rows, cols=columns, subplot_titles=shown, **options)
    drawn.update_layout(
        template="none",
        height=height * rows + 80,
        margin={"l": 56, "r": 12, "t": 32 if shown else 12, "b": 80},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hovermode="closest",
    )
    return drawn
