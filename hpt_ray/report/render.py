"""Dashboard + run -> one self-contained HTML page: it works offline, fetches nothing and escapes every name.

Scripts stand in the page itself and are allowed by their hashes alone (Content-Security-Policy), so that a name which
slipped through escaping could still not run. Jinja escapes what the template shows, ``figure.text`` what Plotly shows.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.by_class import by_class
from hpt_ray.analysis.cells import cells
from hpt_ray.analysis.forgetting import with_forgetting
from hpt_ray.analysis.measures import text_format as wording
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import held_text, one_factor
from hpt_ray.analysis.scope import scope
from hpt_ray.analysis.so_far import so_far
from hpt_ray.analysis.until_decided import until_decided
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.core.identity import NEAR_BITS
from hpt_ray.core.registry import folder, load, module
from hpt_ray.core.text import visible
from hpt_ray.report.advised import Advised
from hpt_ray.report.compared import compared
from hpt_ray.report.contents import anchored
from hpt_ray.report.dashboard import Dashboard
from hpt_ray.report.sections import Shown, sections
from hpt_ray.report.winner import Handed

#: Cells that a page lists: a browser still sorts so many while one waits.
MOST_CELLS = 5000


def verdicts(run: Run, dashboard: Dashboard) -> list[Verdict]:
    """The verdict of a dashboard on each of a run's targets.

    Of a run of several factors a verdict sees the first, with the others at their baselines, unless its file says
    ``EVERY_FACTOR = True``.
    """
    verdict: Callable[[Run, str], Verdict] = load("verdicts", dashboard.verdict)
    whole = getattr(module("verdicts", dashboard.verdict), "EVERY_FACTOR", False)
    shown = run if whole else one_factor(run)
    held, about, part, view = held_text(shown), scope(run.study), so_far(run), one_factor(run)
    judged = (with_forgetting(view, verdict(shown, target)) for target in run.study.targets)
    return [replace(each, held=held, scope=about, so_far=part) for each in judged]


def render(
    run: Run, dashboard: Dashboard, judged: list[Verdict], handed: Sequence[Handed] = (), advised: Advised | None = None
) -> str:
    """The report of a run, finished or partly failed, as HTML text.

    Args:
        judged: its verdicts. handed: how to take the weights that won. advised: what an advice recommends.

    Raises:
        StudyError: for a dashboard that names a figure which does not exist.
    """
    view = one_factor(run)
    together = across_targets(view)
    looks = until_decided(run)
    table = cells(run)
    if len(table) > MOST_CELLS:
        lost = table["status"] != "done"
        table = pd.concat([table[lost], table[~lost]])
    return page(
        "template.html.j2",
        sections(run, dashboard),
        name=run.study.name,
        title=run.metric.worded(dashboard.title),
        run=run,
        held=held_text(view),
        manifest=run.manifest,
        near=NEAR_BITS,
        started=_moment(run.manifest.started),
        across=together,
        compared=compared(run, judged),
        looks=looks,
        verdicts=judged,
        handed=handed,
        advised=advised,
        classes={target: by_name for target in run.study.targets if (by_name := by_class(view, target))},
        cells=table.head(MOST_CELLS).astype(object).where(table.notna(), None).to_dict("records"),
        total=len(table),
        study=json.dumps(run.study.model_dump(mode="json"), indent=2, ensure_ascii=False),
    )


def page(template: str, shown: Sequence[Shown], **content: Any) -> str:
    """A page as HTML text.

    Args:
        template: its file in ``dashboards/``, which extends ``page.html.j2``. content: what else it shows.
    """
    place = folder("dashboards")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(place),
        autoescape=True,
        finalize=_visible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "percent": wording.percent,
        "points": wording.points,
        "duration": wording.duration,
        "level": wording.level_name,
        "share_interval": wording.share_interval,
        "change_interval": wording.change_interval,
        "together": _together,
        "unbroken": _unbroken,
        "script_json": _script_json,
        "anchored": anchored,
    }
    script = Markup((place / "page.js").read_text(encoding="utf-8"))
    packed, *hashes = _plotly() if any(part.plot is not None for part in shown) else [""]
    return environment.get_template(template).render(
        **content,
        sections=shown,
        style=Markup((place / "style.css").read_text(encoding="utf-8")),
        script=script,
        packed=packed,
        hashes=[*hashes, _hash(script)],
    )


def _script_json(drawn: go.Figure) -> Markup:
    """A figure as JSON that is safe inside a script element: no '<' can close it, and JSON reads \\u003c as '<'."""
    return Markup(drawn.to_json().replace("<", "\\u003c").replace("&", "\\u0026"))


def _visible(value: object) -> object:
    """Whatever the template shows, but for what is already HTML; the page folds newlines, and some text has them."""
    return visible(value, lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value


def _together(text: str) -> str:
    """Keep each number and its interval on one line."""
    return re.sub(r"\S+ \[[^]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


def _unbroken(text: str) -> str:
    """Keep each interval on one line."""
    return re.sub(r"\[[^]]*\]", lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), text)


@functools.cache
def _plotly() -> tuple[str, str]:
    """Plotly's script, compressed to a third (gzip, base64), and the hash of what it unpacks to."""
    script = get_plotlyjs()
    return base64.b64encode(gzip.compress(script.encode(), mtime=0)).decode(), _hash(script)


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M %Z").strip()
