"""Every study of the project runs end to end at a small size: plan, training, tables, verdict, report."""

from __future__ import annotations

import pytest

import hpt_ray
from hpt_ray.core import registry
from hpt_ray.execute.runs import rewrite
from hpt_ray.report.verdict_file import verdict_file
from hpt_ray.store.store import Store

SMALL = {
    "base": "synthetic:objects,n=120",
    "target": "synthetic:shape,n=120",
    "seeds": 1,
    "batch": 16,
    "group": 8,
    "image_size": 16,
    "precision": "float32",
}
SHORT = {"iterations": 2, "scratch_iterations": 2, "base_iterations": 2}
OWN = {
    "adapt": SHORT,
    "advice": {"base_iterations": 2, "policies": "baseline,crop_only", "budgets": "1,2"},
    "augment_ablation": SHORT | {"policies": "baseline,crop_only"},
    "augment_search": {"base_iterations": 2},
    "base_robustness": {"iterations": 2, "scratch_iterations": 2, "base_budgets": "1,2"},
    "data_fraction": SHORT | {"percent": "10,100"},
    "landscape": {"base_iterations": 2, "policies": "baseline,crop_only", "budgets": "1,2"},
    "iteration_budget": {"base_iterations": 2, "budgets": "1,2", "scratch_budgets": "1,2"},
    "low_label": SHORT | {"labels": "12", "finetune_iterations": 4},
    "methods": SHORT,
    "sequential": SHORT | {"source": "synthetic:texture,n=120"},
}


@pytest.mark.parametrize("name", registry.names("studies"))
def test_a_study_runs_to_its_report(name: str, tmp_path) -> None:
    if name == "augment_search":
        pytest.skip("it has tests of its own")
    study = hpt_ray.make(name, **SMALL | OWN[name])
    result = hpt_ray.run(study, store=tmp_path, runner="inline")
    assert not result.failures
    (verdict,) = result.verdicts
    assert verdict.sentence.startswith("On synthetic:shape,n=120, ") and verdict.sentence.endswith(".")
    assert any("One seed" in note for note in verdict.notes)
    assert {len(row) for row in verdict.table.rows} == {len(verdict.table.columns)}
    page = (tmp_path / "runs" / f"{name}-{result.run.manifest.plan_id}" / "report.html").read_text()
    assert verdict.table.rows[0][0] in page
    assert (result.run.results["status"] == "done").all()
    assert registry.load("dashboards", name).verdict in registry.names("verdicts")


def test_levels_keep_their_order_when_a_report_is_written_again(tmp_path) -> None:
    study = hpt_ray.make("iteration_budget", **SMALL, base_iterations=1, budgets="1,2,10", scratch_budgets="2,10")
    result = hpt_ray.run(study, store=tmp_path, runner="inline")
    again = rewrite(Store(tmp_path), "iteration_budget")
    assert again.run.study == result.run.study
    assert list(again.run.study.factors[0].levels) == ["1", "2", "10"]
    assert verdict_file(again.run, again.verdicts) == verdict_file(result.run, result.verdicts)
