"""Robustness measures against pandas on the results table, and their coverage where the truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.robustness import difference, gain, mean_score, robustness, robustness_difference
from hpt_ray.analysis.measures.run import Run
from tests.support import simulate

TARGET = "rsscn7"


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run()


def table(run: Run, arm: str) -> pd.DataFrame:
    """Linear test accuracy of an arm after its last phase, [seed, policy]."""
    rows = run.results.query("arm == @arm and split == 'test' and evaluation == 'linear' and iteration > 0")
    return rows.pivot(index="seed", columns="policy", values="value")[list(simulate.POLICIES)].astype(float)


@pytest.mark.parametrize("arm", ["target", "base>target", "base>target:bn"])
def test_measures_are_those_of_the_results_table(run: Run, arm: str) -> None:
    values = table(run, arm)
    changes = values.sub(values["baseline"], axis=0).mean().drop("baseline")
    found = robustness(run, TARGET, arm)
    assert found is not None
    assert {level: part.estimate for level, part in found.changes.items()} == pytest.approx(changes.to_dict())
    assert (found.worst_level, found.worst.estimate) == (changes.idxmin(), pytest.approx(changes.min()))
    assert found.missing == ()
    assert found.worst.low <= found.worst.estimate <= found.worst.high
    assert found.deviation is not None
    assert 0 <= found.deviation.low <= found.deviation.estimate <= values.mean().std()


def test_difference_between_arms(run: Run) -> None:
    hpt, scratch = robustness(run, TARGET, "base>target"), robustness(run, TARGET, "target")
    between = robustness_difference(run, TARGET, "base>target", "target")
    assert hpt is not None and scratch is not None and between is not None
    assert between.sides == (hpt, scratch)
    assert between.worst.estimate == pytest.approx(hpt.worst.estimate - scratch.worst.estimate)
    assert between.deviation is not None and hpt.deviation is not None and scratch.deviation is not None
    assert between.deviation.estimate == pytest.approx(scratch.deviation.estimate - hpt.deviation.estimate)


def test_accuracy_difference_and_gain(run: Run) -> None:
    hpt, scratch = table(run, "base>target"), table(run, "target")
    own, gap = (
        mean_score(run, TARGET, "base>target", "crop_only"),
        difference(run, TARGET, "base>target", "target", "no_color"),
    )
    assert own is not None and own.estimate == pytest.approx(hpt["crop_only"].mean())
    assert gap is not None and gap.estimate == pytest.approx((hpt - scratch)["no_color"].mean())
    before = run.results.query("arm == 'base>target' and split == 'test' and evaluation == 'linear' and iteration == 0")
    gained = gain(run, TARGET, "base>target", "baseline")
    assert gained is not None and gained.estimate == pytest.approx(hpt["baseline"].mean() - before["value"].iloc[0])


def test_direct_transfer_has_no_robustness_and_no_seeds(run: Run) -> None:
    assert robustness(run, TARGET, "base") is None
    found = mean_score(run, TARGET, "base", "crop_only")
    assert found is not None and found.seeds == 1


def test_a_failed_cell_leaves_the_seeds_that_pair() -> None:
    run = simulate.run(failed=lambda cell: cell == ("base>target", "crop_only", 1))
    values = table(run, "base>target").drop(index=1)
    found = robustness(run, TARGET, "base>target")
    assert found is not None
    assert found.changes["crop_only"].estimate == pytest.approx((values["crop_only"] - values["baseline"]).mean())
    assert (found.changes["crop_only"].seeds, found.changes["no_color"].seeds) == (2, 3)


def test_a_failed_level_is_named_and_left_out_of_both_arms() -> None:
    run = simulate.run(failed=lambda cell: cell[:2] == ("base>target", "crop_only"))
    found = robustness(run, TARGET, "base>target")
    between = robustness_difference(run, TARGET, "base>target", "target")
    assert found is not None and between is not None
    assert found.missing == ("crop_only",)
    scratch = table(run, "target").drop(columns="crop_only")
    changes = scratch.sub(scratch["baseline"], axis=0).mean().drop("baseline")
    assert between.worst.estimate == pytest.approx(found.worst.estimate - changes.min())


def test_without_a_baseline_there_is_nothing_to_compare() -> None:
    run = simulate.run(failed=lambda cell: cell[:2] == ("target", "baseline"))
    assert robustness(run, TARGET, "target") is None
    assert robustness_difference(run, TARGET, "base>target", "target") is None
    assert difference(run, TARGET, "base>target", "target", "baseline") is None


def test_of_one_seed_luck_cannot_be_told_from_the_factor() -> None:
    run = simulate.run(seeds=1)
    found, between = robustness(run, TARGET, "target"), robustness_difference(run, TARGET, "base>target", "target")
    assert found is not None and between is not None
    assert (found.deviation, found.loss, between.deviation) == (None, None, None)


def test_an_accuracy_lies_between_none_and_all(run: Run) -> None:
    """Two seeds that disagree on everything leave open what it is, but not that it could be less than none."""
    kept = run.predictions["seed"].isin([0, 1]) | run.predictions["seed"].isna()
    predictions = run.predictions[kept].copy()
    wrong = (predictions["seed"] == 1).fillna(False).astype(int)
    predictions["prediction"] = predictions["label"] + wrong
    found = mean_score(dataclasses.replace(run, predictions=predictions), TARGET, "base>target", "baseline")
    assert found is not None
    assert (found.low, found.estimate, found.high) == (0.0, 0.5, 1.0)


def answering_alike(run: Run, arm: str, other: str) -> Run:
    """The run with the answers of ``arm`` as those of ``other``, too."""
    kept = run.predictions[run.predictions["arm"] != other]
    copied = run.predictions[run.predictions["arm"] == arm].assign(arm=other)
    return dataclasses.replace(run, predictions=pd.concat([kept, copied], ignore_index=True))


def test_arms_that_answer_alike_are_not_certain_to_differ_in_no_measure(run: Run) -> None:
    """Their changes are many, their differences none: 300 images leave up to 1.2 % of them open, twice over."""
    alike = answering_alike(run, "base>target", "target")
    assert np.abs(alike.scores(TARGET, "target", "crop_only") - alike.scores(TARGET, "target", "baseline")).sum() > 100
    found = robustness_difference(alike, TARGET, "base>target", "target")
    assert found is not None and found.deviation is not None
    for interval in (found.worst, found.deviation):
        assert interval.estimate == pytest.approx(0.0)
        assert interval.high >= 2 * (1 - 0.025 ** (1 / 300)) - 1e-9
        assert interval.low <= -2 * (1 - 0.025 ** (1 / 300)) + 1e-9
        assert interval.p == pytest.approx(1.0)


def test_no_level_is_said_to_lose_less_than_nothing_to_the_best() -> None:
    """The cross-fitted loss of levels that do not differ is below zero half of the time."""
    shown = []
    for seed in range(6):
        level = (0.8,) * len(simulate.POLICIES)
        found = robustness(simulate.run(examples=40, accuracy={"target": level}, seed=seed), TARGET, "target")
        assert found is not None and found.loss is not None
        shown.append(found.loss.estimate)
    assert min(shown) == 0.0 < max(shown)
