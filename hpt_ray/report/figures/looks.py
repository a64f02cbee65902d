"""The path of each claim over the looks of a run that grows, with the boundary that decides it."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.until_decided import claim_text, decision_text, paths_of
from hpt_ray.report.figure import OTHERS, STYLES, Figure, faint, panels, text


@dataclass(frozen=True)
class Path:
    """A claim at each look: its difference, and how far from zero the repeated interval makes it a difference.

    ``rows``, ``estimates`` and ``boundaries`` are of the looks at which it was open; the latter two are shares.
    """

    claim: str
    decision: str
    rows: tuple[int, ...]
    estimates: tuple[float, ...]
    boundaries: tuple[float, ...]


@dataclass(frozen=True)
class Paths:
    """The paths of all claims, the ``margin`` that a difference is equivalent within, and rows at the last look."""

    paths: tuple[Path, ...]
    margin: float
    most: int


def compute(run: Run) -> Paths:
    looks = run.manifest.looks
    if looks is None:
        return Paths((), run.margin, 0)
    paths = tuple(
        Path(
            claim=claim_text(run, path[-1]),
            decision=decision_text(path[-1], looks),
            rows=tuple(claim.rows for claim in path),
            estimates=tuple(claim.estimate for claim in path),
            boundaries=tuple((claim.high - claim.low) / 2 for claim in path),
        )
        for path in paths_of(looks).values()
    )
    return Paths(paths, run.margin, looks.made[-1].rows if looks.made else 0)


def draw(value: Paths) -> go.Figure:
    drawn = panels([f"{path.claim}: {path.decision}" for path in value.paths] or [""], height=190)
    style, boundary = STYLES["base>target"], OTHERS[0].color
    for row, path in enumerate(value.paths, start=1):
        where = {"row": row, "col": 1, "showlegend": row == 1}
        for sign in (1, -1):
            drawn.add_scatter(
                x=path.rows,
                y=[100 * sign * each for each in path.boundaries],
                mode="lines+markers",
                line={"color": boundary, "dash": "dash", "width": 1.5},
                marker={"color": boundary, "size": 5},
                name="boundary",
                legendgroup="boundary",
                hovertemplate="boundary after %{x} seeds: %{y:+.1f} points<extra></extra>",
                **(where | {"showlegend": row == 1 and sign == 1}),
            )
        drawn.add_scatter(
            x=path.rows,
            y=[100 * each for each in path.estimates],
            mode="lines+markers",
            line={"color": style.color, "width": 2},
            marker={"color": style.color, "symbol": style.symbol, "size": 10},
            name="difference",
            legendgroup="difference",
            hovertemplate=text(path.claim) + "<br>%{y:+.1f} points after %{x} seeds<extra></extra>",
            **where,
        )
        margin = 100 * value.margin
        drawn.add_hrect(y0=-margin, y1=margin, fillcolor=faint(style.color, 0.12), line_width=0, row=row, col=1)
        drawn.update_xaxes(range=[2, value.most + 1], tickvals=list(path.rows), row=row, col=1)
        drawn.update_yaxes(title_text="points", row=row, col=1)
    drawn.update_xaxes(title_text="seeds", row=max(1, len(value.paths)), col=1)
    return drawn


figure = Figure(
    compute,
    draw,
    "Each claim's difference, in points, at each look at which it was open; beyond the dashed boundary it is claimed, "
    "before Holm's correction. Shaded: the margin, within which the whole interval must lie for two arms to be called "
    "equivalent.",
    every_factor=True,
)
