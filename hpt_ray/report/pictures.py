"""Plotly figures as SVG and PDF files, drawn by a browser on this machine (kaleido)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from hpt_ray.core.errors import StudyError

FORMATS = ("svg", "pdf")

#: Width in pixels; the height is the figure's own.
WIDTH = 660

#: The colours of the page's figures on white (dashboards/style.css).
INK, LINE, LINE_STRONG, INK_FAINT = "#1c1e21", "#e6e6e3", "#c9c9c5", "#8b9097"
_AXIS = {
    "gridcolor": LINE,
    "linecolor": LINE_STRONG,
    "zerolinecolor": INK_FAINT,
    "tickcolor": LINE_STRONG,
    "title": {"standoff": 8, "font": {"size": 13}},
    "automargin": True,
}
TEMPLATE = {
    "layout": {
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "font": {"family": "Noto Sans, Liberation Sans, Arial, sans-serif", "size": 13, "color": INK},
        "xaxis": _AXIS,
        "yaxis": _AXIS,
    }
}


def pictures(plots: Mapping[str, go.Figure]) -> dict[str, bytes]:
    """Each figure in every format, by the name of its file.

    Raises:
        StudyError: without kaleido, or without a browser that it can start.
    """
    try:
        from choreographer.errors import BrowserDepsError, BrowserFailedError, ChromeNotFoundError
    except ImportError as error:
        raise StudyError("--figures needs kaleido: pip install 'hpt_ray[figures]'.") from error
    try:
        return asyncio.run(_drawn(plots))
    except ChromeNotFoundError as error:
        raise StudyError(
            "--figures needs a browser to draw with, and finds none: install chromium or Chrome, or set BROWSER_PATH "
            "to its program."
        ) from error
    except (BrowserDepsError, BrowserFailedError, TimeoutError) as error:
        raise StudyError(
            f"--figures cannot start the browser that draws them ({type(error).__name__}): see that chromium or Chrome "
            "runs for this user, or set BROWSER_PATH to another one."
        ) from error


async def _drawn(plots: Mapping[str, go.Figure]) -> dict[str, bytes]:
    from kaleido import Kaleido

    drawn: dict[str, Any] = {}
    async with Kaleido(n=1, mathjax=False) as browser:  # MathJax would be fetched
        for name, plot in plots.items():
            figure = go.Figure(plot).update_layout(template=TEMPLATE).to_dict()
            size = {"width": WIDTH, "height": int(plot.layout.height)}
            for kind in FORMATS:
                drawn[f"{name}.{kind}"] = await browser.calc_fig(figure, opts={"format": kind, **size})
    return drawn
