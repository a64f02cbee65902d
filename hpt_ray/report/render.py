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
from dataclasses import dataclass, replace
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
from hpt_ray.analysis.until_decided import METHOD, until_decided
from hpt_ray.analysis.verdict import Table, Verdict
from hpt_ray.core.identity import NEAR_BITS
from hpt_ray.core.registry import folder, load, module
from hpt_ray.core.text import visible
from hpt_ray.report.advised import Advised
from hpt_ray.report.compared import compared
from hpt_ray.report.contents import anchored
from hpt_ray.report.dashboard import Dashboard, Section
from hpt_ray.report.figure import Drawing, Figure
from hpt_ray.report.winner import Handed

#: Cells that a page lists: a browser still sorts so many while one waits.
MOST_CELLS = 5000


@dataclass(frozen=True)
class Shown:
    """A section as the template sees it, with what its figure drew: one of a plot, a table and HTML, or nothing."""

    section: Section
    caption: str = ""
    html: Markup | None = None
    table: Table | None = None
    plot: go.Figure | None = None


#: Stands on every page of a study with several targets.
ACROSS = Section(
    title="Target by target",
    figure="across_targets",
    prose="""
        One line per target. Symbols that lie on one side of zero say that the finding does not hang on the choice of
        the target; how far they scatter says how much it may differ on the next one.
    """,
)


#: Stands on the page of a run that grew until its claims were decided.
LOOKS = Section(title="Look by look", figure="looks", prose=METHOD)


#: Stand on the page of a study that measures what is forgotten.
FORGETTING = (
    Section(
        title="Gain on the target against forgetting",
        figure="forgetting",
        prose="""
            Every arm against the base as it is, which stands where the lines of zero cross: to the top for what it
            gains on the target, to the left for what it forgets of the data that the base was pretrained on. An arm at
            the top right gains and forgets nothing; of two that gain as much, take the one further to the right if the
            network has to stay good at what it was good at. All of this is exploratory, and weights are chosen on the
            target alone.
        """,
    ),
    Section(
        title="Gains and losses in numbers",
        figure="forgetting_table",
        prose="The same, and each arm's {metric} on both data sets.",
    ),
)


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
    retained = FORGETTING if run.study.retained else ()
    sections = [*([LOOKS] if looks else []), *([ACROSS] if together else []), *retained, *dashboard.sections]
    shown = [_section(run, view, section) for section in sections]
    table = cells(run)
    if len(table) > MOST_CELLS:
        lost = table["status"] != "done"
        table = pd.concat([table[lost], table[~lost]])
    return page(
        "template.html.j2",
        shown,
        name=run.study.name,
        title=run.metric.worded(dashboard.title),
        run=run,
        held=held_text(view),
        manifest=run.manifest,
        near=NEAR_BITS,
        started=_moment(run.manifest.started),
        across=together,
        compared=compared(run),
        looks=looks,
        verdicts=judged,
        handed=handed,
        advised=advised,
        classes={target: by_name for target in run.study.targets if (by_name := by_class(view, target))},
        cells=table.head(MOST_CELLS).astype(object).where(table.notna(), None).to_dict("records"),
        total=len(table),
        study=json.dumps(run.study.model_dump(mode="json"), indent=2, ensure_ascii=False),
    )


def page(template: str, sections: Sequence[Shown], **content: Any) -> str:
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
    packed, *hashes = _plotly() if any(part.plot is not None for part in sections) else [""]
    return environment.get_template(template).render(
        **content,
        sections=sections,
        style=Markup((place / "style.css").read_text(encoding="utf-8")),
        script=script,
        packed=packed,
        hashes=[*hashes, _hash(script)],
    )


def _section(run: Run, view: Run, section: Section) -> Shown:
    """A section with its figure, which is given the run or, if it shows one factor, the view of one."""
    worded = run.metric.worded
    section = section.model_copy(update={"title": worded(section.title), "prose": worded(section.prose)})
    if section.figure is None:
        return Shown(section)
    figure: Figure[Any] = load("figures", section.figure, Figure)
    shown = run if figure.every_factor else view
    where = f" Shown {held}." if (held := held_text(shown)) else ""
    return drawn_section(section, figure.draw(figure.compute(shown)), worded(figure.caption) + where)


def drawn_section(section: Section, drawn: Drawing, caption: str) -> Shown:
    """A section with what was drawn for it."""
    if isinstance(drawn, Markup):
        return Shown(section, caption, html=Markup(visible(drawn, lines=True)))
    if isinstance(drawn, Table) and drawn.cells:
        return Shown(section, caption, table=drawn)
    if isinstance(drawn, go.Figure) and any(trace.x for trace in drawn.data):
        return Shown(section, caption, plot=drawn)
    return Shown(section, caption, html=Markup('<p class="quiet">Nothing finished that this figure could show.</p>'))


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
