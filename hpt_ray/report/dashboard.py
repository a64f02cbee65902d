"""What a dashboard is: the page of a study, as its verdict and sections of prose around figures.

``dashboards/NAME.py`` defines ``dashboard = Dashboard(title, verdict, sections)``. Prose is plain text, whose line
breaks and indentation mean nothing; titles and prose have the run's metric as ``{metric}`` ("accuracy"), ``{metrics}``,
``{Metric}`` or ``{Metrics}``; prose has what the losses of the run's methods do
as ``{losses}``.
"""

from __future__ import annotations

from hpt_ray.core.registry import beside, check, file, is_path, load, names
from hpt_ray.core.values import Frozen
from hpt_ray.spec.study import Study


class Section(Frozen):
    """One section of a page: how to read what it shows, and a figure by its name in ``figures/`` or the path to it."""

    title: str
    prose: str
    figure: str | None = None


class Dashboard(Frozen):
    """A page: its title, a verdict by its name in ``analysis/verdicts`` or the path to it, and its sections, before the
    tables that every page has."""

    title: str
    verdict: str
    sections: tuple[Section, ...]


def find(study: Study) -> Dashboard:
    """The dashboard that a study names, or the one of its name, or that of the augmentation ablation.

    Its verdict and figures may be paths, which start from the dashboard's file.

    Raises:
        UnknownNameError: if there is no such dashboard, verdict or figure. StudyError: for a file that cannot be used.
    """
    default = study.name if study.name in names("dashboards") else "augment_ablation"
    name = study.dashboard or default
    dashboard: Dashboard = load("dashboards", name, Dashboard)
    place = file("dashboards", name)
    sections = tuple(
        section.model_copy(update={"figure": section.figure and beside(place, section.figure)})
        for section in dashboard.sections
    )
    dashboard = dashboard.model_copy(update={"verdict": beside(place, dashboard.verdict), "sections": sections})
    figures = [("figures", section.figure) for section in sections if section.figure is not None]
    for kind, part in [("verdicts", dashboard.verdict), *figures]:
        # Those of this package are tested, and to import them all would cost a plan a second.
        load(kind, part) if is_path(part) else check(kind, part)
    return dashboard


#: The same on the pages of several studies.
SOURCES = Section(
    title="Where the uncertainty comes from",
    figure="sources",
    prose="""
        {Metrics} would come out differently with other pretraining seeds, another start of the probe or other
        test images. The largest source is the one worth having more of. Much of what test images contribute is
        shared by all arms and cancels in their differences.
    """,
)


def training(more: str) -> Section:
    """The section of the training curves; ``more`` is what to know of them in this study."""
    return Section(
        title="Training",
        figure="curves",
        prose="Curves show whether training ran as it should: a loss that settles, and features that stay spread out. "
        f"{{losses}} {more}",
    )


COST = Section(
    title="Cost",
    figure="cost",
    prose="""
        Time is that of the pretraining phases alone, as each ran on this hardware; evaluations are not in it.
    """,
)
