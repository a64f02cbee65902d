"""The loss of a level at random to the best: the estimate by its definition, and what its interval covers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.best import cross_fitted, loss
from hpt_ray.analysis.stats.bootstrap import Interval
from tests.support.noisy import Noise, answers

TRUTHS = {
    "all levels alike": np.full(5, 0.40),
    "two best ones": np.array([0.44, 0.44, 0.40, 0.38, 0.36]),
    "one clearly the best": np.array([0.50, 0.40, 0.40, 0.38, 0.36]),
}
LUCKS = {
    "normal": Noise(luck=0.01),
    "heavy tails": Noise(luck=0.01, heavy=True),
    "shared": Noise(0.005, seed_luck=0.03),
}


def found(truth: np.ndarray, noise: Noise, seeds: int, generator: np.random.Generator) -> Interval:
    (arm,) = answers(truth[None], [noise], seeds, 200, generator)
    interval = loss(arm)
    assert interval is not None
    return interval


def test_it_is_known_where_there_is_no_luck() -> None:
    """Every image is answered by so many levels that the first always leads by the same."""
    means = np.array([0.75, 0.5, 0.25])
    images = (np.arange(400) % 4)[None, None]
    values = np.broadcast_to(images < (4 * means)[:, None, None], (3, 3, 400)).astype(float)
    exact = loss(values)
    assert exact is not None
    assert exact.estimate == pytest.approx(means.max() - means.mean())
    assert exact.low <= exact.estimate <= exact.high and exact.low > 0.15


def test_one_seed_says_nothing_and_a_level_that_all_lack_is_left_out() -> None:
    values = np.random.default_rng(0).random((3, 4, 20))
    assert loss(values[:, :1]) is None
    values[1, 2] = np.nan
    without = loss(np.delete(values, 2, axis=1))
    assert loss(values) == without and without is not None and without.seeds == 3


def test_the_estimate_is_the_loss_there_is() -> None:
    """Also where there is none, of which that at the best of what is seen would say otherwise."""
    generator, noise = np.random.default_rng(5), Noise(luck=0.03)
    apart = [cross_fitted(answers(np.array([[0.5, 0.7]]), [noise], 3, 200, generator)[0]) for _ in range(100)]
    assert np.mean(apart) == pytest.approx(0.1, abs=0.01)
    flat = [cross_fitted(answers(np.full((1, 5), 0.6), [noise], 3, 200, generator)[0]) for _ in range(300)]
    assert np.mean(flat) == pytest.approx(0.0, abs=0.003)


@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_the_interval_covers_the_loss_in_a_few_studies(truth: np.ndarray) -> None:
    generator, studies = np.random.default_rng(3), 20
    intervals = [found(truth, LUCKS["normal"], 3, generator) for _ in range(studies)]
    true = truth.max() - truth.mean()
    covered = sum(each.low - 1e-9 <= true <= each.high for each in intervals)
    assert covered >= stats.binom.ppf(0.001, studies, 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("noise", LUCKS.values(), ids=LUCKS)
@pytest.mark.parametrize("truth", TRUTHS.values(), ids=TRUTHS)
def test_coverage_thoroughly(truth: np.ndarray, noise: Noise, seeds: int) -> None:
    """At least 95 % of studies, within the error of so many."""
    generator, studies = np.random.default_rng(seeds), 200
    intervals = [found(truth, noise, seeds, generator) for _ in range(studies)]
    true = truth.max() - truth.mean()
    covered = sum(each.low - 1e-9 <= true <= each.high for each in intervals)
    bias, width = (
        np.mean([each.estimate - true for each in intervals]),
        np.mean([each.high - each.low for each in intervals]),
    )
    print(f"covered {covered / studies:.1%}, bias {100 * bias:+.2f}, width {100 * width:.1f} points")
    assert covered >= stats.binom.ppf(0.005, studies, 0.95)
