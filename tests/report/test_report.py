"""The report page: whole, safe and offline. (How it looks is judged by eye.)"""

from __future__ import annotations

import base64
import dataclasses
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.errors import UnknownNameError
from hpt_ray.core.registry import load
from hpt_ray.report.dashboard import Dashboard, Section
from hpt_ray.report.render import render, verdicts
from hpt_ray.store.records import Failure
from tests.support import simulate


class Page(HTMLParser):
    """Elements with their attributes, text by element, and what scripts and styles hold."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = self.inside = ""
        self.feed(source)
        self.text = " ".join(self.text.replace("\xa0", " ").split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif self.inside != "style":
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


DASHBOARD = load("dashboards", "augment_ablation")


def written(run: Run, dashboard: Dashboard = DASHBOARD) -> str:
    return render(run, dashboard, verdicts(run, dashboard))


@pytest.fixture(scope="module")
def source() -> str:
    return written(simulate.run())


def test_says_the_verdict_the_question_and_how_to_reproduce(source: str) -> None:
    run = simulate.run()
    page = Page(source)
    assert verdicts(run, DASHBOARD)[0].headline in page.text
    assert run.study.question in page.text
    assert run.manifest.command in page.text and run.manifest.plan_id in page.text
    assert all(run.metric.worded(section.title) in page.text for section in DASHBOARD.sections)
    assert json.dumps(run.study.recipes["base"].lr) in page.text
    assert "features that stay spread out. MoCo's loss rises at first, while its queue of negatives fills" in page.text
    assert len(source.encode()) < 2_500_000


def test_fetches_nothing(source: str) -> None:
    for tag, attributes in Page(source).elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    style = source.split("<style>")[1].split("</style>", maxsplit=1)[0]
    assert "@import" not in style and "url(" not in style


def test_policy_allows_these_scripts_and_no_network(source: str) -> None:
    page = Page(source)
    (policy,) = [
        attributes["content"] or ""
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'") and "connect-src" not in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    bodies = re.findall(r"<script>(.*?)</script>", source, flags=re.DOTALL)
    (packed,) = [body for attributes, body in page.scripts if attributes.get("id") == "plotly"]
    unpacked = gzip.decompress(base64.b64decode(packed)).decode()
    assert len(bodies) == 1 and unpacked == get_plotlyjs()
    for body in [*bodies, unpacked]:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()}'" in policy


def test_figures_are_json_that_cannot_leave_its_element(source: str) -> None:
    blocks = [body for attributes, body in Page(source).scripts if attributes.get("type") == "application/json"]
    assert len(blocks) == 4
    assert all("<" not in block and json.loads(block)["data"] for block in blocks)


HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_hostile_names_stay_text() -> None:
    run = simulate.run(target=HOSTILE, class_name="<script>alert(2)</script>")
    datasets = {
        name: data.model_copy(update={"found": ("photos: 3 images", HOSTILE)})
        for name, data in run.manifest.datasets.items()
    }
    hostile = {
        "failures": (Failure(stage=HOSTILE, reason=HOSTILE, cells=(HOSTILE,)),),
        "notes": (HOSTILE,),
        "hardware": {HOSTILE: HOSTILE},
        "datasets": datasets,
    }
    run = dataclasses.replace(run, manifest=run.manifest.model_copy(update=hostile))
    page = Page(written(run))
    assert not [
        attributes for tag, attributes in page.elements if "onerror" in attributes or attributes.get("src") == "x"
    ]
    assert len([tag for tag, _ in page.elements if tag == "script"]) == 6
    assert HOSTILE in page.text and "<script>alert(2)</script>" in page.text
    assert "photos: 3 images" in page.text


def test_failed_cells_are_shown_with_their_reason() -> None:
    run = simulate.run(failed=lambda cell: cell == ("base>target", "crop_only", 1))
    source = written(run)
    page = Page(source)
    assert source.count('<tr class="failed">') == 1
    assert "loss is not finite at iteration 37" in page.text
    assert "Missing: HPT at crop only (seed 1)" in page.text


def test_one_seed_and_nothing_at_all_render() -> None:
    assert "not for the luck of a pretraining run" in Page(written(simulate.run(seeds=1))).text
    nothing = Page(written(simulate.run(failed=lambda cell: True))).text
    assert "cannot be said" in nothing and nothing.count("Nothing finished that this figure could show") == 6


def test_a_page_without_plots_carries_no_plotly() -> None:
    source = written(
        simulate.run(),
        Dashboard(title="Small", verdict="robustness", sections=(Section(title="Cost", prose="p", figure="cost"),)),
    )
    assert len(source) < 200_000


def test_an_unknown_figure_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown figure 'accuracies'"):
        written(
            simulate.run(),
            Dashboard(title="t", verdict="robustness", sections=(Section(title="t", prose="p", figure="accuracies"),)),
        )


def test_a_table_of_too_many_cells_shows_missing_and_failed_ones_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpt_ray.report.render.MOST_CELLS", 4)
    source = written(simulate.run(failed=lambda cell: cell[0] == "base>target:bn" and cell[2] == 2))
    rows = re.findall(r"<tr( class=\"failed\")?>\s*<td class=\"word\">(.*?)</td>", source)
    assert rows == [(' class="failed"', "HPT-BN")] * 4
    assert "Shown are 4 of 46 cells, the missing and failed ones first" in Page(source).text
