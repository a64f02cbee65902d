"""Answers by seed, repeat and example, against the predictions they select from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.run import Run
from hpt_ray.spec.study import Factor
from tests.support import simulate_studies as simulate


@pytest.fixture(scope="module")
def run() -> Run:
    """Three repeats of the probe, of which the later two answer some examples otherwise."""
    one = simulate.run(simulate.sequential(), lambda cell: 0.7, examples=40)
    parts = [one.predictions]
    for repeat in (1, 2):
        wrong = one.predictions["example"] % 5 == repeat
        parts.append(one.predictions.assign(repeat=repeat, prediction=one.predictions["prediction"].mask(wrong, -1)))
    return dataclasses.replace(one, predictions=pd.concat(parts, ignore_index=True))


def test_answers_are_those_of_the_table(run: Run) -> None:
    rows = run.predictions.query("arm == 'base>target' and iteration > 0")
    rows = rows.assign(correct=(rows["label"] == rows["prediction"]).astype(float))
    expected = rows.pivot_table(index="seed", columns=["repeat", "example"], values="correct").to_numpy()
    found = run.answers("aerial", "base>target", "")
    assert found.shape == (3, 3, 40)
    np.testing.assert_array_equal(found.reshape(3, 120), expected)
    np.testing.assert_allclose(found.mean(axis=1), run.scores("aerial", "base>target", ""))


def test_a_cell_without_a_seed_has_one_row(run: Run) -> None:
    assert run.answers("aerial", "base", "").shape == (1, 3, 40)


def test_a_seed_that_lacks_a_repeat_is_nan_there(run: Run) -> None:
    table = run.predictions
    lacks = (table["arm"] == "target") & (table["seed"] == 1) & (table["repeat"] == 2)
    found = dataclasses.replace(run, predictions=table[~lacks]).answers("aerial", "target", "")
    assert np.isnan(found).all(axis=2).tolist() == [[False] * 3, [False, False, True], [False] * 3]


def test_nothing_is_an_empty_array() -> None:
    run = simulate.run(simulate.sequential(), lambda cell: 0.7, failed=lambda cell, seed: cell.arm == "target")
    assert run.answers("aerial", "target", "").shape[:2] == (0, 0)


def test_an_arm_without_the_baseline_is_compared_at_its_last_level() -> None:
    factor = Factor(
        name="iterations",
        field="iterations",
        levels={"10": 10, "50": 50, "400": 400},
        baseline="400",
        only={"base>target": ("10", "50")},
    )
    spec = simulate.study("budgets", simulate.FOUR, factors=(factor,))
    run = simulate.run(spec, lambda cell: 0.7, examples=20)
    assert [run.standard_level(arm) for arm in ("target", "base", "base>target")] == ["400", "", "50"]
