"""Forest plots: one line per comparison, its estimate and interval along a horizontal axis, with a line at zero."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from hpt_ray.analysis.measures.text_format import SHARES, Unit
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.report.figure import Style, markers, panels, text

#: Pixels of a line of a plot, and of what a panel has beside its lines.
LINE, AROUND = 38, 90

#: Lines of a name that are longer than this are broken, for a narrow screen.
WIDTH = 18
_JOINTS = re.compile(r"(?<=[>/:,_-])")


@dataclass(frozen=True)
class Line:
    """One line: a share or a difference of shares. ``decided``: whether the correction leaves it standing."""

    name: str
    interval: Interval
    style: Style
    decided: bool = True


@dataclass(frozen=True)
class Plot:
    """One panel: lines from top to bottom."""

    title: str
    lines: tuple[Line, ...]


def forest(
    plots: list[Plot], *, axis: str = "", unit: str = "points", signed: bool = True, written: Unit = SHARES
) -> go.Figure:
    """Panels of lines, all with the same horizontal range; what is not decided has an open symbol.

    A plot without lines is left out. ``axis`` is what the horizontal axis is called; without it a plot that stands
    alone, untitled, says its title there. ``written``: how the values are.
    """
    plots = [plot for plot in plots if plot.lines]
    most = max((len(plot.lines) for plot in plots), default=1)
    drawn = panels([plot.title for plot in plots] or [""], height=AROUND + LINE * most)
    sign, end = "+" if signed else "", f".{written.decimals}f"
    for row, plot in enumerate(plots, start=1):
        for place, line in enumerate(plot.lines):
            drawn.add_scatter(
                row=row,
                col=1,
                y=[place],
                showlegend=False,
                **_upright(
                    markers(line.style, [line.interval], along="x", factor=written.factor), decided=line.decided
                ),
                hovertemplate=f"{text(line.name)}<br>%{{x:{sign}{end}}} {unit} [%{{customdata[0]:{sign}{end}}}, "
                f"%{{customdata[1]:{sign}{end}}}], seeds: %{{customdata[2]}}<extra></extra>",
            )
        names_axis(drawn, row, [line.name for line in plot.lines])
        title = axis or (", ".join(filter(None, [text(plot.title), unit])) if len(plots) == 1 else unit)
        drawn.update_xaxes(
            row=row, col=1, title=title, zeroline=signed, zerolinewidth=2, matches="x" if row > 1 else None
        )
    drawn.update_layout(margin_b=56)
    return drawn


def names_axis(drawn: go.Figure, row: int, names: list[str]) -> None:
    """Make the vertical axis of a panel one of named lines at 0, 1, 2, ..., the first on top."""
    ticks = {"tickvals": list(range(len(names))), "ticktext": [_broken(name) for name in names]}
    drawn.update_yaxes(
        row=row, col=1, **ticks, tickfont_size=12, range=[len(names) - 0.4, -0.6], showgrid=False, zeroline=False
    )


def _upright(drawn: dict[str, Any], *, decided: bool) -> dict[str, Any]:
    """Symbols for a horizontal bar: a stroke stands across it, and what is undecided is open."""
    marker = drawn["marker"]
    if marker["symbol"] == "line-ew":
        marker |= {"symbol": "line-ns", "line": {"width": 3, "color": marker["color"]}}
    elif not decided:
        marker |= {"symbol": marker["symbol"] + "-open", "line": {"width": 2}}
    return drawn


def _broken(name: str) -> str:
    """A name in lines of at most WIDTH characters, broken between words, and within long ones after their joints."""
    lines: list[str] = []
    for word in name.split(" "):
        parts = [f" {word}"] if len(word) <= WIDTH else [f" {part}" for part in _JOINTS.split(word)]
        for number, part in enumerate(parts):
            added = part if number == 0 else part[1:]
            if lines and len(lines[-1] + added) <= WIDTH:
                lines[-1] += added
            else:
                lines.append(added.lstrip())
    return "<br>".join(text(line) for line in lines)
