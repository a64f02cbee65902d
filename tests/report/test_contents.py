"""The contents list of a page, and its headings in order."""

from __future__ import annotations

import itertools
import re

import pytest
from markupsafe import Markup

from hpt_ray.core.registry import load, names
from hpt_ray.report.contents import anchored
from hpt_ray.report.render import render, verdicts
from tests.support.simulate_dashboards import simulated


def test_every_heading_has_an_anchor_of_its_own() -> None:
    html = Markup("<h2>Cost &amp; time</h2><h2>Cost</h2><p>text</p><h2>Cost 2</h2><h2>Cost</h2><h2>成本</h2>")
    contents = anchored(html)
    assert [anchor for anchor, _ in contents.headings] == ["cost-time", "cost", "cost-2", "cost-3", "section"]
    assert contents.headings[0][1] == Markup("Cost &amp; time")
    assert re.findall('id="(.*?)"', contents.html) == [anchor for anchor, _ in contents.headings]
    assert re.sub(' id=".*?"', "", contents.html) == html


@pytest.mark.parametrize("study", names("dashboards"))
def test_a_page_lists_its_sections_and_skips_no_level_of_headings(study: str) -> None:
    run, dashboard = simulated(study), load("dashboards", study)
    page = render(run, dashboard, verdicts(run, dashboard))
    links = re.findall(r'<li><a href="#(.*?)">', page)
    assert links == re.findall(r'<h2 id="(.*?)">', page) and len(links) == len(set(links)) >= 6
    levels = [1, *(int(level) for level in re.findall(r"<h(\d)", page))]
    assert all(level <= before + 1 for before, level in itertools.pairwise(levels))
