"""The difference of two arms' worst changes: right where one level is clear, and rarely wrong where levels tie."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.stats.worst import worst_difference
from tests.support.noisy import Noise, answers

QUIET, LOUD = Noise(luck=0.005), Noise(luck=0.02)
TIED, CLEAR = np.full(5, 0.6), np.array([0.6, 0.6, 0.6, 0.6, 0.3])


def changes(arm: np.ndarray) -> np.ndarray:
    moved: np.ndarray = arm[1:] - arm[0]
    return moved


def found_in(truth: tuple[np.ndarray, np.ndarray], seeds: int, generator: np.random.Generator) -> Interval:
    first, second = answers(np.stack(truth), (QUIET, LOUD), seeds, 200, generator)
    return worst_difference(changes(first), changes(second), most=2.0)


def test_of_one_level_it_is_the_interval_of_the_difference() -> None:
    first, second = answers(np.array([[0.6, 0.5], [0.6, 0.3]]), (QUIET, QUIET), 3, 200, np.random.default_rng(0))
    found = worst_difference(changes(first), changes(second), most=2.0)
    both = replicate(np.concatenate([changes(first), changes(second)]))
    expected = both.interval(lambda means: means[..., 0] - means[..., 1])
    assert (found.estimate, found.low, found.high) == pytest.approx((expected.estimate, expected.low, expected.high))
    assert found.p == pytest.approx(expected.p)


def test_a_clear_difference_is_shown() -> None:
    generator = np.random.default_rng(1)
    found = [found_in((TIED, CLEAR), 5, generator) for _ in range(20)]
    assert sum(part.low > 0 and part.p < 0.05 for part in found) > 15
    assert all(part.low <= part.estimate <= part.high for part in found)


def test_the_quiet_arm_does_not_have_the_better_worst_change() -> None:
    generator, studies = np.random.default_rng(2), 60
    found = [found_in((TIED, TIED), 3, generator) for _ in range(studies)]
    assert sum(part.p < 0.05 for part in found) <= stats.binom.ppf(0.999, studies, 0.025)
    assert sum(part.low <= 0 <= part.high for part in found) >= studies - stats.binom.ppf(0.999, studies, 0.025)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("truth", [(TIED, TIED), (CLEAR, CLEAR)], ids=["ties", "clear"])
def test_false_claims_thoroughly(seeds: int, truth: tuple[np.ndarray, np.ndarray]) -> None:
    """At most 5 % one-sided, at ties and where one arm is four times as noisy."""
    generator, studies = np.random.default_rng(seeds), 200
    found = [found_in(truth, seeds, generator) for _ in range(studies)]
    assert sum(part.p < 0.05 and part.estimate > 0 for part in found) / studies <= 0.05
    assert sum(part.p < 0.05 and part.estimate < 0 for part in found) / studies <= 0.05
