"""Selectors of a run, against the tables they select from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.holes import Hole, holes
from hpt_ray.analysis.measures.run import Run
from tests.support import simulate


@pytest.fixture(scope="module")
def run() -> Run:
    return simulate.run(examples=60, failed=lambda cell: cell == ("target", "no_color", 1))


def test_correct_agrees_with_the_results_table(run: Run) -> None:
    rows = run.results.query(
        "arm == 'base>target' and policy == 'crop_blur' and evaluation == 'knn' and split == 'test'"
    )
    found = run.scores("rsscn7", "base>target", "crop_blur", "knn")
    assert found.shape == (3, 60)
    np.testing.assert_allclose(found.mean(axis=1), rows.sort_values("seed")["value"].astype(float))


def test_a_failed_seed_is_a_row_of_nan(run: Run) -> None:
    found = run.scores("rsscn7", "target", "no_color")
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False]
    assert holes(run, "rsscn7") == [Hole("target", "no_color", (1,))]


def test_direct_transfer_is_repeated_over_seeds_and_levels(run: Run) -> None:
    found = run.scores("rsscn7", "base", "crop_only")
    assert (found == found[0]).all() and not run.varies("base")


def test_step0_is_apart(run: Run) -> None:
    assert set(run.rows()["iteration"]) == {200, 600}
    assert set(run.rows(step0=True)["iteration"]) == {0}
    end, start = (run.scores("rsscn7", "target", "baseline", step0=step0).mean() for step0 in (False, True))
    assert end > start + 0.1


def test_the_last_of_several_iterations_counts(run: Run) -> None:
    earlier = run.predictions[run.predictions["iteration"] == 200].assign(iteration=100, prediction=-1)
    more = dataclasses.replace(run, predictions=pd.concat([run.predictions, earlier], ignore_index=True))
    np.testing.assert_array_equal(
        more.scores("rsscn7", "target", "baseline"), run.scores("rsscn7", "target", "baseline")
    )


def test_repeats_are_averaged(run: Run) -> None:
    wrong = run.predictions.assign(repeat=1, prediction=-1)
    twice = dataclasses.replace(run, predictions=pd.concat([run.predictions, wrong], ignore_index=True))
    np.testing.assert_allclose(
        twice.scores("rsscn7", "target", "baseline"), run.scores("rsscn7", "target", "baseline") / 2
    )


def test_examples_that_a_cell_lacks_are_left_out_of_all(run: Run) -> None:
    first = (run.predictions["arm"] == "base") & (run.predictions["example"] == 0)
    fewer = dataclasses.replace(run, predictions=run.predictions[~first])
    assert fewer.scores("rsscn7", "target", "baseline").shape == (3, 59)
