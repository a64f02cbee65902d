"""Targets taken together, on runs whose truth is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from hpt_ray.analysis.across import across_targets, p_value
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.quantities import Change
from hpt_ray.spec.study import Factor
from tests.support import simulate_studies as simulate

TARGETS = ("far", "near", "same", "lost")
SEEDS = (0, 1, 2, 3, 4)


def truth(cell: simulate.Cell) -> float:
    """HPT is far better than from scratch on "far", far worse on "near"; direct transfer is far behind everywhere."""
    if cell.arm == "base>target":
        return {"far": 0.9, "near": 0.5}.get(cell.target, 0.7)
    return 0.7 if cell.arm == "target" else 0.3


def same_predictions(run: Run, target: str) -> Run:
    """On this target HPT answers as from scratch does."""
    table = run.predictions
    mine = (table["target"] == target) & (table["arm"] == "base>target")
    copied = table[(table["target"] == target) & (table["arm"] == "target")].assign(arm="base>target")
    return dataclasses.replace(run, predictions=pd.concat([table[~mine], copied], ignore_index=True))


@pytest.fixture(scope="module")
def run() -> Run:
    spec = simulate.study("four", ("target", "base", "base>target"), targets=TARGETS, seeds=SEEDS)
    lost = simulate.run(
        spec, truth, examples=600, failed=lambda cell, seed: (cell.target, cell.arm) == ("lost", "target")
    )
    return same_predictions(lost, "same")


def test_wins_ties_losses_and_what_is_missing(run: Run) -> None:
    found = across_targets(run)
    assert found is not None
    scratch, direct = found.comparisons
    assert scratch.summary is not None and direct.summary is not None
    assert (scratch.summary.wins, scratch.summary.losses, scratch.summary.ties) == (("far",), ("near",), ("same",))
    assert scratch.missing == ("lost",)
    assert direct.summary.wins == TARGETS
    assert found.sentence.startswith(
        "Across 4 targets (exploratory: linear evaluation, Holm's correction), for this base over 5 seeds, HPT is "
        "better than pretraining from scratch on 1 of 3, worse on 1 and equivalent within 1 point on 1 (mean "
        "difference "
    )
    assert "; no result on lost), and better than direct transfer on 4 of 4 (mean difference +" in found.sentence
    assert found.table.rows[0][:5] == ("From scratch", "1", "1", "1", "0")
    assert found.table.cells[0][5] == Change(found.comparisons[0].summary.mean)
    assert found.table.rows[1][6:] == ("4 of 4", p_value(2 * 0.5**4))


def test_differences_and_their_mean_are_those_of_the_table(run: Run) -> None:
    done = run.predictions[run.predictions["iteration"] > 0]
    accuracy = (done["label"] == done["prediction"]).groupby([done["target"], done["arm"]]).mean().unstack()
    expected = (accuracy["base>target"] - accuracy["base"])[list(TARGETS)]
    found = across_targets(run)
    assert found is not None and found.comparisons[1].summary is not None
    direct = found.comparisons[1]
    assert direct.summary is not None
    assert [part.estimate for part in direct.differences.values()] == pytest.approx(list(expected))
    # A two-way analysis of variance without replication: rows beyond the residual are what all targets share.
    by_seed = (done["label"] == done["prediction"]).groupby([done["target"], done["arm"], done["seed"]]).mean()
    rows = (
        by_seed.unstack("seed").xs("base>target", level="arm").loc[list(TARGETS)]
        - accuracy.loc[list(TARGETS), ["base"]].to_numpy()
    )
    targets, seeds = rows.shape
    mean_square = targets * rows.mean(axis=0).var(ddof=1)
    residual = rows.sub(rows.mean(axis=1), axis=0) - rows.mean(axis=0) + rows.to_numpy().mean()
    shared = max(0.0, mean_square - (residual**2).to_numpy().sum() / ((targets - 1) * (seeds - 1))) / rows.size
    between = expected.var(ddof=1) / targets
    half = np.sqrt(stats.t.ppf(0.975, targets - 1) ** 2 * between + stats.t.ppf(0.975, seeds - 1) ** 2 * shared)
    assert (direct.summary.mean.low, direct.summary.mean.high) == pytest.approx(
        (expected.mean() - half, expected.mean() + half)
    )


def test_an_arm_without_the_baseline_is_compared_at_its_own_level() -> None:
    factor = Factor(
        name="iterations",
        field="iterations",
        levels={"10": 10, "50": 50, "400": 400},
        baseline="400",
        only={"base>target": ("10", "50")},
    )
    spec = simulate.study("budgets", ("target", "base>target"), factors=(factor,), targets=("one", "two"))
    accuracy = {("target", "400"): 0.6, ("base>target", "50"): 0.9}
    run = simulate.run(spec, lambda cell: accuracy.get((cell.arm, cell.level), 0.3), examples=400)
    found = across_targets(run)
    assert found is not None
    assert "iterations at 50 (HPT) and 400 (From scratch)" in found.sentence
    (scratch,) = found.comparisons
    mine, other = run.scores("one", "base>target", "50"), run.scores("one", "target", "400")
    assert scratch.differences["one"].estimate == pytest.approx(np.mean(mine) - np.mean(other))
    assert scratch.differences["one"].estimate > 0.2


def test_the_level_of_all_is_named() -> None:
    run = simulate.run(simulate.methods(targets=("one", "two")), lambda cell: 0.6, examples=40)
    found = across_targets(run)
    assert found is not None and "Across 2 targets (exploratory: linear evaluation, method at MoCo-v2" in found.sentence


def test_one_target_or_nothing_to_compare_is_none() -> None:
    assert across_targets(simulate.run(simulate.sequential(), lambda cell: 0.6, examples=20)) is None
    spec = simulate.study("two", ("target", "base"), targets=("one", "two"))
    assert across_targets(simulate.run(spec, lambda cell: 0.6, examples=20)) is None


def test_nothing_finished_says_so() -> None:
    run = simulate.run(simulate.sequential(targets=("one", "two")), truth, failed=lambda cell, seed: True)
    found = across_targets(run)
    assert found is not None
    assert "not comparable with pretraining from scratch (no result on any target)" in found.sentence
    assert set(found.table.rows[0][1:]) == {"–"}


@pytest.mark.parametrize(("p", "text"), [(0.34, "0.34"), (0.03125, "0.031"), (0.0004, "< 0.001"), (1.0, "1")])
def test_p_values_as_read(p: float, text: str) -> None:
    assert p_value(p) == text
