"""What a dashboard is: the page of a study, as its verdict and sections of prose around figures.

``dashboards/NAME.py`` defines ``dashboard = Dashboard(title, verdict, sections)``. Prose is plain text, whose line
breaks and indentation mean nothing.
"""

from __future__ import annotations

from hpt_ray.policy import Frozen


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
