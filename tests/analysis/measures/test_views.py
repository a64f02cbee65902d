"""A run of two factors is shown at a level of the second, and never as a mean over its levels."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from hpt_ray.analysis.across import across_targets
from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.cells import cells
from hpt_ray.analysis.measures.holes import holes
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.views import at, every, held_text, one_factor
from hpt_ray.cli import console
from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.registry import load
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Factor
from tests.support import simulate_studies as simulate


def truth(cell: simulate.Cell) -> float:
    return {"target": 0.6, "base": 0.7, "base>target": 0.872}.get(cell.arm, 0.75)


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(simulate.landscape(), truth, examples=200)


def wrong_at(run: Run, level: str) -> Run:
    """The run with every answer at one iteration budget wrong."""
    there = run.predictions["iterations"] == level
    wrong = run.predictions.assign(prediction=run.predictions["prediction"].where(~there, -1))
    return dataclasses.replace(run, predictions=wrong)


@pytest.mark.parametrize("name", ["robustness", "methods", "phases", "retention", "speedup", "labels", "base_quality"])
def test_a_level_of_the_second_factor_that_is_all_wrong_changes_no_verdict_at_the_other(run: Run, name: str) -> None:
    page = load("dashboards", "augment_ablation").model_copy(update={"verdict": name})
    (found,) = verdicts(run, page)
    (same,) = verdicts(wrong_at(run, "30"), page)
    assert same == found
    assert found.sentence.startswith("On aerial, at 270 iterations, ") and found.held == "at 270 iterations"


def test_a_view_has_the_accuracy_of_its_level(run: Run) -> None:
    mixed = wrong_at(run, "30")
    rows = mixed.predictions.query("arm == 'base>target' and policy == 'baseline' and iteration > 0")
    right = (rows["label"] == rows["prediction"]).groupby(rows["iterations"]).mean()
    assert right["270"] == pytest.approx(0.872, abs=0.06) and right["30"] == 0
    for level in ("30", "270"):
        found = at(mixed, iterations=level).scores("aerial", "base>target", "baseline")
        assert found.mean() == pytest.approx(right[level])
    assert at(mixed, policy="baseline").scores("aerial", "base>target", "30").mean() == 0
    both = at(mixed, policy="baseline", iterations="270")
    np.testing.assert_array_equal(both.scores("aerial", "base>target", ""), found)
    assert held_text(both) == "at the baseline policy and at 270 iterations"


def test_the_whole_run_refuses_to_show_a_level_of_one_factor(run: Run) -> None:
    for select in (
        lambda: run.scores("aerial", "base>target", "baseline"),
        lambda: run.answers("aerial", "base>target", "baseline"),
        lambda: run.levels,
        lambda: holes(run, "aerial"),
        lambda: across_targets(run) or run.baseline,
    ):
        with pytest.raises(StudyError, match="study landscape varies policy and iterations: hold all but one"):
            select()


def test_views_of_what_is_not_there_are_refused_by_name(run: Run) -> None:
    with pytest.raises(UnknownNameError, match="factor 'budget'"):
        at(run, budget="30")
    with pytest.raises(UnknownNameError, match="level of iterations '31'"):
        at(run, iterations="31")


def test_the_views_of_a_run_are_all_of_it_and_one_factor_is_itself(run: Run) -> None:
    assert [held_text(view) for view in every(run)] == ["at 30 iterations", "at 270 iterations"]
    shared = run.predictions["iterations"].isna()
    assert sum(len(view.predictions) for view in every(run)) == len(run.predictions) + shared.sum()
    single = every(run)[0]
    assert one_factor(single) is single and every(single) == (single,)


def test_an_arm_without_the_level_is_not_in_the_view() -> None:
    spec = simulate.landscape()
    policy, budget = spec.factors
    only = Factor.model_validate(budget.model_dump() | {"only": {"target": ("30",)}})
    run = simulate.run(spec.model_copy(update={"factors": (policy, only)}), truth, examples=60)
    assert list(at(run, iterations="270").arms) == ["base", "base>target", "base>target:bn"]
    assert list(at(run, iterations="30").arms) == list(run.arms)


def test_cells_have_a_level_of_each_factor_and_a_change_against_both_baselines(run: Run) -> None:
    found = cells(wrong_at(run, "30"))
    assert len(found) == 3 * 4 * 3 + 1
    mine = found[found["arm"] == "base>target"].set_index(["levels", "seed"])
    assert list(dict.fromkeys(mine.index.get_level_values(0))) == [
        (policy, budget) for policy in ("baseline", "crop_only") for budget in ("270", "30")
    ]
    change = mine["linear"] - mine.loc[("baseline", "270"), "linear"].mean()
    assert mine["change"].mean() == pytest.approx(change.mean())
    assert found[found["arm"] == "base"]["levels"].tolist() == [("", "")]


def test_notes_name_the_view_that_they_are_about() -> None:
    def worse(cell: simulate.Cell) -> float:
        return 0.1 if cell.others == ("30",) and cell.arm == "base>target" else truth(cell)

    def lost(cell: simulate.Cell, seed: int | None) -> bool:
        return (cell.arm, cell.level, cell.others) == ("target", "crop_only", ("270",))

    run = simulate.run(simulate.landscape(), worse, failed=lost)
    whole = load("verdicts", "robustness")
    notes = whole(one_factor(run), "aerial").notes
    assert any(note.startswith("Missing: From scratch at crop only.") for note in notes)
    assert not any(note.startswith("Forgetting") for note in notes)
    notes = tuple(caveat.text for caveat in caveats(run, "aerial", ()))
    assert any("step-0 value at baseline and crop only, at 30 iterations (" in note for note in notes)
    assert any(note.startswith("Missing: From scratch at crop only, at 270 iterations.") for note in notes)


def test_page_and_terminal_say_at_which_level_of_the_other_factor_they_show(run: Run) -> None:
    dashboard = load("dashboards", "augment_ablation")
    found = verdicts(run, dashboard)
    page = render(run, dashboard, found)
    assert page.count("Shown at 270 iterations.</figcaption>") == sum(
        not load("figures", section.figure).every_factor for section in dashboard.sections
    )
    assert '<p class="quiet">At 270 iterations.</p>' in page
    heads = page.split('class="sortable')[1].split("</thead>")[0]
    assert "Policy" in heads and ">Iterations<" in heads
    result = SimpleNamespace(
        verdicts=found, run=run, failures={}, results="r.parquet", report="r.html", handed=[], advice=None
    )
    with console.out.capture() as captured:
        console.result(result)  # type: ignore[arg-type]  # stands for a Result
    assert "On aerial, at 270 iterations, " in captured.get() and "\nAt 270 iterations:\n" in captured.get()
