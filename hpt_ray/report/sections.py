"""The sections of a run's page: those of its dashboard and those that such runs have, with what their figures draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import held_text, one_factor
from hpt_ray.analysis.until_decided import METHOD
from hpt_ray.analysis.verdict import Table
from hpt_ray.core.registry import load, names
from hpt_ray.core.text import visible
from hpt_ray.report.dashboard import Dashboard, Section
from hpt_ray.report.figure import Drawing, Figure
from hpt_ray.spec.study import Pretraining


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


def sections(run: Run, dashboard: Dashboard) -> list[Shown]:
    """The sections of a run's page, in their order.

    Raises:
        StudyError: for a dashboard that names a figure which does not exist.
    """
    view = one_factor(run)
    listed = [
        *([LOOKS] if run.manifest.looks else []),
        *([ACROSS] if across_targets(view) else []),
        *(FORGETTING if run.study.retained else ()),
        *dashboard.sections,
    ]
    return [_section(run, view, section) for section in listed]


def _section(run: Run, view: Run, section: Section) -> Shown:
    """A section with its figure, which is given the run or, if it shows one factor, the view of one."""
    worded = run.metric.worded
    prose = worded(section.prose).replace("{losses}", loss_text(run))
    section = section.model_copy(update={"title": worded(section.title), "prose": prose})
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


def loss_text(run: Run) -> str:
    """What the losses of a run's methods do while they train, a sentence for each that says so.

    A method that is given by a path is not asked: a store may come from elsewhere, and a report runs no Python of it.
    """
    study = run.study
    varied = [factor.changes(level).get("method") for factor in study.factors for level in factor.levels]
    own = [recipe.method for recipe in study.recipes.values() if isinstance(recipe, Pretraining)]
    methods, known = dict.fromkeys([*own, *varied]), names("methods")
    return " ".join(filter(None, (load("methods", name).loss_text for name in methods if name in known)))
