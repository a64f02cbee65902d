"""The contents list of a page: its sections by their headings, each with an anchor to link to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Container
from typing import NamedTuple

from markupsafe import Markup


class Contents(NamedTuple):
    """A part of a page whose headings have anchors, and what lists them: the anchor and the heading of each section."""

    html: Markup
    headings: list[tuple[str, Markup]]


def slug(title: str) -> str:
    """A title as an anchor or a file's name: "Arms at a glance" is "arms-at-a-glance"."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


def distinct(name: str, taken: Container[str]) -> str:
    """A name that is not taken: the name itself, or numbered from 2."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(each for each in names if each not in taken)


def anchored(html: Markup) -> Contents:
    """A part of a page with an anchor in each ``<h2>``, made of its words, and numbered where two are alike."""
    headings: list[tuple[str, Markup]] = []

    def with_anchor(match: re.Match[str]) -> str:
        heading = Markup(match[1])
        anchor = distinct(slug(heading.striptags()), dict(headings))
        headings.append((anchor, heading))
        return f'<h2 id="{anchor}">{heading}</h2>'

    return Contents(Markup(re.sub("<h2>(.*?)</h2>", with_anchor, html)), headings)
