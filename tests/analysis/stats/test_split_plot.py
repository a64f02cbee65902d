"""Intervals whose luck is seen at all levels: the variance by its definition, and coverage and power by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.split_plot import pooled, seed_variance, with_luck
from tests.support.noisy import Noise, answers

#: The second arm is seven points better at the first level.
TRUTH = np.array([[0.40, 0.40, 0.38, 0.36, 0.34], [0.47, 0.45, 0.46, 0.44, 0.45]])
LUCKS = {
    "each pretraining's own": Noise(luck=0.02),
    "shared by the levels of a seed": Noise(luck=0.0, seed_luck=0.02),
    "half and half": Noise(luck=0.014, seed_luck=0.014),
    "heavy tails": Noise(luck=0.014, seed_luck=0.014, heavy=True),
}


def test_the_variance_is_the_mean_of_the_levels_own() -> None:
    at_levels = np.random.default_rng(0).normal(size=(4, 6))
    variance, degrees = seed_variance(at_levels)
    assert variance == pytest.approx(at_levels.var(axis=1, ddof=1).mean())
    assert 5 < degrees <= 20


def test_luck_that_all_levels_share_is_seen_as_often_as_there_are_seeds() -> None:
    luck = np.random.default_rng(1).normal(size=5)
    variance, degrees = seed_variance(np.arange(3.0)[:, None] + luck)
    assert (variance, degrees) == (pytest.approx(luck.var(ddof=1)), pytest.approx(4))


def test_over_many_studies_the_degrees_of_luck_of_their_own_are_those_of_all_levels() -> None:
    generator = np.random.default_rng(2)
    found = [seed_variance(generator.normal(size=(5, 3))) for _ in range(400)]
    # The variance of a variance with f degrees of freedom is 2 / f.
    assert np.var([variance for variance, _ in found]) == pytest.approx(2 / 10, rel=0.3)
    assert np.mean([degrees for _, degrees in found]) == pytest.approx(9, abs=1.5)


def test_fewer_than_three_seeds_or_two_levels_leave_the_interval() -> None:
    values = np.random.default_rng(3).choice([-1.0, 0.0, 1.0], (4, 3, 100))
    interval = mean(values[0])
    assert interval is not None
    assert pooled(interval, values[:1].mean(axis=2)) == interval
    lacking = values.mean(axis=2)
    lacking[1:, 0] = np.nan
    assert pooled(interval, lacking) == interval
    two = mean(values[0, :2])
    assert two is not None and pooled(two, values[:, :2].mean(axis=2)) == two


def test_what_is_needed_is_told_of_luck_as_all_levels_show_it() -> None:
    values = np.random.default_rng(4).choice([-1.0, 0.0, 1.0], (4, 5, 300)) + np.arange(5)[:, None] * 0.1
    at_levels = values.mean(axis=2)
    found = with_luck(values[0], at_levels)
    assert found.mean() == pytest.approx(values[0].mean())
    assert found.mean(axis=1).var(ddof=1) == pytest.approx(seed_variance(at_levels)[0])
    assert (with_luck(values[0], at_levels[:1]) == values[0]).all()


def both(noise: Noise, seeds: int, generator: np.random.Generator, examples: int = 400) -> tuple[Interval, Interval]:
    """The interval of the difference at the first level from it alone, and with the luck of all levels."""
    first, second = answers(TRUTH, (noise, noise), seeds, examples, generator)
    apart = second - first
    interval = mean(apart[0])
    assert interval is not None
    return interval, pooled(interval, apart.mean(axis=2))


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("noise", LUCKS.values(), ids=LUCKS)
def test_coverage_thoroughly(noise: Noise, seeds: int) -> None:
    """About 95 % of studies, and no less power than from one level alone."""
    generator, studies = np.random.default_rng(seeds), 300
    found = [both(noise, seeds, generator) for _ in range(studies)]
    true = TRUTH[1, 0] - TRUTH[0, 0]
    alone, together = (np.mean([pair[side].low <= true <= pair[side].high for pair in found]) for side in (0, 1))
    power = [np.mean([pair[side].p < 0.05 and pair[side].low > 0 for pair in found]) for side in (0, 1)]
    print(f"covered {alone:.1%} alone, {together:.1%} pooled; shown {power[0]:.0%} alone, {power[1]:.0%} pooled")
    assert together >= stats.binom.ppf(0.005, studies, 0.95) / studies
    assert power[1] >= power[0] - 0.02
