"""Intervals against Student's and the binomial's formulas, and their coverage where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from tests.support import simulate


def interval_of_mean(values: np.ndarray, replicates: int = 2000) -> Interval:
    return replicate(values[None], replicates=replicates).interval(lambda means: means[..., 0])


def test_seeds_alone_give_students_interval() -> None:
    by_seed = np.array([0.61, 0.66, 0.70])
    found = interval_of_mean(np.repeat(by_seed[:, None], 50, axis=1), replicates=40_000)
    low, high = stats.t.interval(0.95, 2, loc=by_seed.mean(), scale=stats.sem(by_seed))
    assert found.estimate == pytest.approx(by_seed.mean())
    assert (found.low, found.high) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))
    assert (found.seeds, found.source) == (3, "seeds and test sample")


def test_one_seed_gives_the_binomial_interval_and_says_so() -> None:
    values = np.zeros((1, 400))
    values[0, :300] = 1
    found = interval_of_mean(values, replicates=20_000)
    error = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert (found.low, found.high) == (pytest.approx(0.75 - error, abs=0.003), pytest.approx(0.75 + error, abs=0.003))
    assert (found.seeds, found.source) == (1, "test sample alone")


def test_one_given_repeated_over_seeds_is_one_seed() -> None:
    row = (np.arange(100) % 4 > 0).astype(float)
    once, repeated = interval_of_mean(row[None]), interval_of_mean(np.tile(row, (3, 1)))
    assert repeated.seeds == 1
    assert repeated.high - repeated.low == pytest.approx(once.high - once.low, rel=0.1)


def test_a_missing_seed_rests_on_the_others() -> None:
    by_seed = np.array([0.5, np.nan, 0.6, 0.7])
    found = interval_of_mean(np.repeat(by_seed[:, None], 20, axis=1), replicates=40_000)
    left = by_seed[~np.isnan(by_seed)]
    low, high = stats.t.interval(0.95, 2, loc=left.mean(), scale=stats.sem(left))
    assert (found.low, found.high) == (pytest.approx(low, rel=0.02), pytest.approx(high, rel=0.02))
    assert found.seeds == 3


def test_values_replicated_apart_share_their_seeds_draws() -> None:
    values = simulate.crossed(np.array([0.8, 0.9]), 3, 50, np.random.default_rng(0))
    apart = np.column_stack([replicate(value[None]).seed_draws[:, 0] for value in values])
    np.testing.assert_allclose(apart, replicate(values).seed_draws)


@pytest.mark.parametrize("lost", [[], [1]])
def test_a_contrast_of_values_has_its_own_example_variance(lost: list[int]) -> None:
    """Two accuracies share most of their example effects; of what is left, (MS examples - MS residual) / S is real."""
    values = simulate.crossed(np.array([0.5, 0.8, 1.1]), 4, 400, np.random.default_rng(1), (0.0, 1.0, 0.0, 0.8))
    values[:2, lost] = np.nan
    together = replicate(values, replicates=20_000)
    apart = (together.draws - together.seed_draws) @ np.array([1.0, -1.0, 0.0])
    contrast = np.delete(values[0] - values[1], lost, axis=0)
    seeds, examples = contrast.shape
    by_example = contrast.mean(axis=0)
    residual = contrast - contrast.mean(axis=1, keepdims=True) - by_example + contrast.mean()
    carried = (residual**2).sum() / ((seeds - 1) * (examples - 1)) / seeds
    assert apart.std() == pytest.approx(np.sqrt((by_example.var(ddof=1) - carried) / examples), rel=0.03)
    assert apart.std() < 0.8 * np.sqrt(by_example.var(ddof=1) / examples)


@pytest.mark.parametrize("values", [np.full((1, 3, 4), np.nan), np.empty((1, 3, 0))])
def test_nothing_to_bootstrap_is_an_error(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least one example and one complete seed"):
        replicate(values)


#: (seed, example, own seed, own example) effects beside a residual of 1: which source of chance dominates.
SOURCES = {
    "interaction": (0.1, 1.0, 0.0, 0.0),
    "mixed": (0.1, 1.0, 0.05, 0.3),
    "seeds": (0.1, 1.0, 0.2, 0.3),
}


def coverage(seeds: int, effects: tuple[float, float, float, float], studies: int) -> tuple[float, float]:
    """Shares of studies without a true difference whose interval covers zero, and lies above it."""
    generator = np.random.default_rng([seeds, studies])
    covered = better = 0
    for _ in range(studies):
        one, two = simulate.crossed(np.array([0.8, 0.8]), seeds, 300, generator, effects)
        found = interval_of_mean(one - two, replicates=1000)
        covered += found.low <= 0 <= found.high
        better += found.low > 0
    return covered / studies, better / studies


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("source", SOURCES)
def test_coverage_of_a_difference(seeds: int, source: str) -> None:
    """95 % within three Monte Carlo errors of 500 studies; "better" at most 2.5 % within the same."""
    covered, better = coverage(seeds, SOURCES[source], studies=500)
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 500)
    assert better < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 500)


def test_coverage_of_one_seed_is_that_of_the_test_sample() -> None:
    """Without chance between seeds, one seed's interval holds; with it, it cannot, which is why it says so."""
    covered, better = coverage(1, (0.0, 1.0, 0.0, 0.3), studies=500)
    assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 500)
    assert better < 0.025 + 3 * np.sqrt(0.025 * 0.975 / 500)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("source", SOURCES)
def test_coverage_of_a_difference_thoroughly(seeds: int, source: str) -> None:
    covered, better = coverage(seeds, SOURCES[source], studies=3000)
    assert abs(covered - 0.95) < 0.015
    assert better < 0.0325
