"""Seeds that share one of several bases are one observation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hpt_ray.analysis.measures.holes import Hole, holes
from hpt_ray.analysis.measures.robustness import difference
from hpt_ray.analysis.measures.rows import by_row, rows
from hpt_ray.spec.study import Pretraining, Study
from tests.support import simulate_studies as simulate

SEEDS = (0, 1, 2, 3, 4)


def study(bases: int | None) -> Study:
    spec = simulate.study("shared", ("target", "base", "base>target"), seeds=SEEDS)
    base = Pretraining(iterations=600, data="cifar10", seeds=bases)
    return spec.model_copy(update={"recipes": {**spec.recipes, "base": base}})


@pytest.mark.parametrize(
    ("bases", "expected"),
    [
        (None, ((0,), (1,), (2,), (3,), (4,))),
        (9, ((0,), (1,), (2,), (3,), (4,))),
        (2, ((0, 2, 4), (1, 3))),
        (1, ((0,), (1,), (2,), (3,), (4,))),  # of one base nothing can be said about others
    ],
)
def test_rows_are_seeds_or_the_bases_that_several_share(bases: int | None, expected: object) -> None:
    assert rows(study(bases)) == expected


def test_a_row_is_the_mean_of_its_seeds_that_have_values() -> None:
    by_seed = np.arange(10.0).reshape(5, 2)
    by_seed[[1, 3, 4]] = np.nan
    np.testing.assert_array_equal(by_row(study(2), by_seed), [[2.0, 3.0], [np.nan, np.nan]])


def test_an_interval_rests_on_the_bases_and_a_hole_is_of_a_seed() -> None:
    run = simulate.run(study(2), lambda cell: 0.6, examples=60, failed=lambda cell, seed: seed == 3)
    target = run.study.targets[0]
    apart = difference(run, target, "base>target", "target", "")
    assert apart is not None and apart.seeds == 2
    both = [run.by_seed(target, arm, "") for arm in ("base>target", "target")]
    first, second = (by_row(run.study, values) for values in both)
    assert apart.estimate == pytest.approx(float((first - second).mean()))
    assert Hole("target", "", (3,)) in holes(run, target)


def test_every_seed_with_a_base_of_its_own_is_a_row() -> None:
    run = simulate.run(study(None), lambda cell: 0.6, examples=60)
    apart = difference(run, run.study.targets[0], "base>target", "base", "")
    assert apart is not None and apart.seeds == len(SEEDS)
    without = dataclasses.replace(run, predictions=run.predictions[run.predictions["seed"] != 2])
    assert (
        np.isnan(without.scores(run.study.targets[0], "base", "")).all(axis=1).tolist()
        == [False] * 2 + [True] + [False] * 2
    )
