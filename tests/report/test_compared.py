"""What a page says was compared: arms, data, budget and what a gain cost."""

from __future__ import annotations

import dataclasses

import pytest

from hpt_ray.analysis.by_class import by_class
from hpt_ray.analysis.measures.text_format import change_interval, percent
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.core.registry import load, names
from hpt_ray.report.compared import arm_words, compared, cost_of_gain
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.study import Weights
from tests.support import simulate
from tests.support.simulate_dashboards import simulated


def test_arms_in_words() -> None:
    run = simulate.run(examples=20)
    words = {arm.label: arm.words for arm in compared(run).arms}
    assert words == {
        "From scratch": "pretrained on the target's images from random weights",
        "Direct transfer": "pretrained on cifar10 from random weights, and evaluated on the target as it is",
        "HPT": "hierarchical pretraining: pretrained on cifar10 from random weights, then pretrained on the target's "
        "images",
        "HPT-BN": "pretrained on cifar10 from random weights, then pretrained on the target's images, where only "
        "batch-norm parameters and statistics change",
    }
    recipes = {**run.study.recipes, "base": Weights(source="torchvision:resnet50")}
    given = run.manifest.model_copy(update={"study": run.study.model_copy(update={"recipes": recipes})})
    words_of_base = arm_words(dataclasses.replace(run, manifest=given), Arm.parse("base"))
    assert words_of_base == "starts from the weights torchvision:resnet50, and evaluated on the target as it is"


def test_data_budget_and_seeds() -> None:
    facts = dict(compared(simulate.run(examples=20)).facts)
    assert facts["Data: rsscn7"] == "1,400 train, 280 val and 300 test images in 3 classes (target)"
    assert facts["Data: cifar10"].endswith("(base)")
    assert facts["Budget"] == "base for 600 iterations of 256 images; target for 200 iterations of 256 images"
    assert facts["Seeds"] == "0, 1 and 2: claims are for this base over 3 seeds"
    assert facts["Varied: policy"].endswith("crop only (arms are compared at baseline)")
    assert facts["Evaluation: linear"].startswith("Linear probe: ")
    retained = dict(compared(simulated("adapt")).facts)["Evaluation: linear_retained"]
    assert retained.startswith("Linear probe: ") and retained.endswith(" On objects.")
    varied = dict(compared(simulated("iteration_budget")).facts)
    assert "target for 30 to 810 iterations" in varied["Budget"]


def test_the_cost_of_a_gain_counts_the_base_apart() -> None:
    run = simulate.run(examples=60)
    sentence = cost_of_gain(run, "rsscn7")
    rows = run.results.query("arm == 'base>target' and policy == 'baseline' and iteration > 0")
    base = run.results.query("arm == 'base' and iteration > 0")
    own, before = rows["seconds"].mean(), base["seconds"].mean()
    assert f"HPT costs {own:.1f} s of pretraining on the target a seed ({own + before:.1f} s with its base)" in sentence
    assert "points against direct transfer and " in sentence and "against from scratch, which costs" in sentence
    assert cost_of_gain(simulate.run(examples=20, failed=lambda cell: True), "rsscn7") == ""


def test_a_page_has_one_interval_of_a_gain() -> None:
    """The verdict's, which takes the luck of seeds from all policies."""
    run = simulate.run(examples=60, seeds=4)
    verdict = load("verdicts", "robustness")(run, "rsscn7")
    gains = [claim for claim in verdict.claims if claim.measure == run.metric.label and claim.subject == "HPT"]
    sentence = compared(run, [verdict]).costs["rsscn7"]
    assert len(gains) == 2 and all(change_interval(claim.difference) in sentence for claim in gains)
    assert not all(change_interval(claim.difference) in compared(run).costs["rsscn7"] for claim in gains)


@pytest.mark.parametrize("study", names("dashboards"))
def test_every_study_says_what_it_compared(study: str) -> None:
    said = compared(simulated(study))
    assert said.arms and all(arm.words for arm in said.arms)
    assert {"Network", "Budget", "Seeds"} <= {heading for heading, _ in said.facts}


def test_accuracy_of_each_class_is_the_recall_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    run = one_factor(simulate.run(examples=60))
    table = by_class(run, "rsscn7")
    assert table is not None and table.columns == ("Class", "From scratch", "Direct transfer", "HPT", "HPT-BN")
    own = run.predictions.query("arm == 'base>target' and policy == 'baseline' and evaluation == 'linear'")
    own = own[own["iteration"] > 0]
    by_seed = [
        metrics.recall_score(rows["label"], rows["prediction"], average=None, labels=range(7))
        for _, rows in own.groupby("seed")
    ]
    expected = [percent(float(value)) for value in sum(by_seed) / len(by_seed)]
    assert [row[3] for row in table.rows] == expected
    assert [row[0] for row in table.rows] == ["forest", "field", "river", "3", "4", "5", "6"]
