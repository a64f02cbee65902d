"""The contents list of a page: its sections by their headings, each with an anchor to link to."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

from markupsafe import Markup


class Contents(NamedTuple):
    """A part of a page whose headings have anchors, and what lists them: the anchor and the heading of each section."""

    html: Markup
    headings: list[tuple[str, Markup]]


def anchored(html: Markup) -> Contents:
    """A part of a page with an anchor in each ``<h2>``, made of its words, and numbered where two are alike."""
    headings: list[tuple[str, Markup]] = []

    def with_anchor(match: re.Match[str]) -> str:
        heading = Markup(match[1])
        words = re.sub(r"[^a-z0-9]+", "-", heading.striptags().lower()).strip("-") or "section"
        anchors = itertools.chain([words], (f"{words}-{number}" for number in itertools.count(2)))
        anchor = next(anchor for anchor in anchors if anchor not in dict(headings))
        headings.append((anchor, heading))
        return f'<h2 id="{anchor}">{heading}</h2>'

    return Contents(Markup(re.sub("<h2>(.*?)</h2>", with_anchor, html)), headings)
