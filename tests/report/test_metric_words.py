"""What a verdict and a page say of a run that is measured by something else than accuracy."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.registry import load, names
from hpt_ray.report.render import render, verdicts
from hpt_ray.report.verdict_file import verdict_file
from tests.support.simulate_dashboards import simulated


def balanced(run: Run) -> Run:
    """The same run, had it been measured by balanced accuracy."""
    study = run.manifest.study.model_copy(update={"metric": "balanced_accuracy"})
    manifest = run.manifest.model_copy(update={"study": study})
    return dataclasses.replace(run, results=run.results.assign(metric="balanced_accuracy"), manifest=manifest)


def several(run: Run) -> Run:
    """The same run, had its images had two labels each: what was right scores high."""
    table = run.predictions
    right = (table["label"] == table["prediction"]).to_numpy()
    truth = table["example"].to_numpy()[:, None] // [1, 2] % 2
    scores = np.where(truth == right[:, None], 1.0, 0.0)
    lists = {"labels": list(truth.astype(np.int8)), "scores": list(scores.astype(np.float32))}
    predictions = table.drop(columns=["label", "prediction"]).assign(**lists)
    return dataclasses.replace(run, results=run.results.assign(metric="auroc"), predictions=pd.DataFrame(predictions))


def texts(run: Run, study: str) -> tuple[str, str]:
    """All that the verdict says, and the page without its scripts."""
    dashboard = load("dashboards", study)
    found = verdicts(run, dashboard)
    page = re.sub(r"<script>.*?</script>", "", render(run, dashboard, found), flags=re.DOTALL)
    return verdict_file(run, found).decode(), page


@pytest.mark.parametrize("study", names("dashboards"))
def test_a_run_of_balanced_accuracy_says_so(study: str) -> None:
    verdict, page = texts(balanced(simulated(study)), study)
    # The online monitor's kNN is measured by accuracy whatever the study measures.
    said = re.findall(r"(?<!balanced[ -])(?<!Balanced )(?<!kNN )\b[Aa]ccurac\w+", verdict + page)
    assert said == []
    assert re.search("[Bb]alanced accurac", page) and "{metric" not in page and "{Metric" not in page


@pytest.mark.parametrize("study", ["augment_ablation", "sequential"])
def test_a_run_of_several_labels_says_auroc(study: str) -> None:
    verdict, page = texts(several(simulated(study)), study)
    assert re.findall(r"(?<!kNN )\b[Aa]ccurac\w+", verdict + page) == []
    assert "test AUROC, %" in page and "AUROC is the area under the ROC curve" in page


def test_verdict_table_and_axis_in_full() -> None:
    run = balanced(simulated("augment_ablation"))
    dashboard = load("dashboards", "augment_ablation")
    (found,) = verdicts(run, dashboard)
    assert found.table.columns[1] == "Balanced accuracy at baseline"
    assert found.tiles[0].title == "HPT, balanced accuracy"
    page = render(run, dashboard, [found])
    assert '"text":"test balanced accuracy, %"' in page
    assert "Balanced accuracy is the mean over classes of the share of a class" in page
