"""What a dashboard is: the page of a study, as its verdict and sections of prose around figures.

``dashboards/NAME.py`` defines ``dashboard = Dashboard(title, verdict, sections)``. Prose is plain text, whose line
breaks and indentation mean nothing; titles and prose have the run's metric as ``{metric}`` ("accuracy"), ``{metrics}``,
``{Metric}`` or ``{Metrics}``.
"""

from __future__ import annotations

from hpt_ray.core.values import Frozen


class Section(Frozen):
    """One section of a page: how to read what it shows, and the name of a figure in ``figures/``."""

    title: str
    prose: str
    figure: str | None = None


class Dashboard(Frozen):
    """A page: its title, the name of a verdict in ``analysis/verdicts``, and its sections, before the tables that every
    page has."""

    title: str
    verdict: str
    sections: tuple[Section, ...]


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

COST = Section(
    title="Cost",
    figure="cost",
    prose="""
        Time is that of the pretraining phases alone, as each ran on this hardware; evaluations are not in it.
    """,
)
