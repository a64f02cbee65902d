"""Pages and console output of the sequential, low-label and methods studies, of one target and of several."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from markupsafe import escape

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.measures.run import Run
from hpt_ray.cli import console
from hpt_ray.core.registry import load
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Study
from tests.support import simulate_studies as simulate

TWO = ("one", "two")


def truth(cell: simulate.Cell) -> float:
    return {"target": 0.5, "base": 0.55, "base>target": 0.7}.get(cell.arm, 0.6)


def written(run: Run) -> str:
    dashboard = load("dashboards", run.study.name)
    return render(run, dashboard, verdicts(run, dashboard))


@pytest.fixture(scope="module")
def two() -> Run:
    return simulate.run(simulate.sequential(targets=TWO), truth, examples=60)


@pytest.mark.parametrize(
    "spec",
    [simulate.sequential(), simulate.low_label(), simulate.methods(), simulate.landscape()],
    ids=lambda spec: spec.name,
)
def test_every_study_has_a_page_whole_and_empty(spec: Study) -> None:
    run = simulate.run(spec, truth, examples=60)
    dashboard = load("dashboards", spec.name)
    found = verdicts(run, dashboard)
    page = render(run, dashboard, found)
    assert found[0].sentence.startswith("On aerial, ")
    assert all(str(escape(run.metric.worded(section.title))) in page for section in dashboard.sections)
    assert 'aria-label="Across targets"' not in page and "Target by target" not in page
    assert "Nothing finished that this figure could show" not in page
    nothing = written(simulate.run(spec, truth, failed=lambda cell, seed: True))
    assert "Nothing finished that this figure could show" in nothing


def test_a_page_of_several_targets_begins_with_what_they_say_together(two: Run) -> None:
    page, together = written(two), across_targets(two)
    assert together is not None
    sentence = str(escape(together.sentence)).split(" (mean difference")[0]
    assert sentence in page
    assert page.index('aria-label="Across targets"') < page.index('aria-label="Verdict"')
    assert page.index("Target by target") < page.index("What each phase adds</h2>")


def test_levels_and_changes_are_shown_where_something_is_varied(two: Run) -> None:
    heads = written(two).split('class="sortable')[1].split("</thead>")[0]
    assert "Target" in heads and "Change" not in heads and "Level" not in heads
    varied = written(simulate.run(simulate.methods(), truth, examples=60))
    heads = varied.split('class="sortable')[1].split("</thead>")[0]
    assert "Method" in heads and "Change" in heads


def test_the_console_says_what_the_targets_say_together(two: Run) -> None:
    paths = {"results": "r.parquet", "report": "r.html"}
    made = SimpleNamespace(verdicts=(), run=two, failures={}, handed=[], advice=None, **paths)
    with console.out.capture() as captured:
        console.result(made)  # type: ignore[arg-type]  # stands for a Result
    together = across_targets(two)
    assert together is not None
    lines = captured.get().split()
    assert " ".join(together.sentence.split()) in " ".join(lines)
    assert captured.get().splitlines()[-2:] == ["results: r.parquet", "report: r.html"]
