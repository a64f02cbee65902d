"""The standard deviation over levels without noise: estimate, interval, and how often a claim on it is false."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.variability import Variation, deviation, deviation_difference, of_levels, of_sample
from tests.support.noisy import Noise, answers

FLAT = np.full(5, 0.40)
#: From scratch gains at every policy but its baseline, by up to 6 points; HPT moves by 2.
GAINS, STEADY = np.array([0.34, 0.36, 0.38, 0.39, 0.40]), np.array([0.42, 0.415, 0.41, 0.40, 0.41])
#: One arm is four times as lucky and unlucky as the other.
QUIET, LOUD = Noise(luck=0.005), Noise(luck=0.02)
HEAVY = Noise(luck=0.005, heavy=True), Noise(luck=0.02, heavy=True)
RANDOM = np.random.default_rng(4)
COLLAPSING = Noise(luck=0.005), Noise(luck=0.02, collapse=0.03)


def test_the_variance_is_that_of_means_less_the_mean_squares_of_the_interactions() -> None:
    """Against the mean squares of the three-way table, written out with loops."""
    values = np.random.default_rng(0).random((4, 3, 20))
    levels, seeds, examples = values.shape
    mean = values.mean()
    by_level, by_seed, by_example = values.mean(axis=(1, 2)), values.mean(axis=(0, 2)), values.mean(axis=(0, 1))
    with_seed, with_example, both = values.mean(axis=2), values.mean(axis=1), values.mean(axis=0)
    seed_square = example_square = single_square = 0.0
    for level in range(levels):
        for seed in range(seeds):
            seed_square += (with_seed[level, seed] - by_level[level] - by_seed[seed] + mean) ** 2
            for example in range(examples):
                pairs = with_seed[level, seed] + with_example[level, example] + both[seed, example]
                alone = by_level[level] + by_seed[seed] + by_example[example]
                single_square += (values[level, seed, example] - pairs + alone - mean) ** 2
        for example in range(examples):
            example_square += (with_example[level, example] - by_level[level] - by_example[example] + mean) ** 2
    seed_square /= (levels - 1) * (seeds - 1) * seeds
    example_square /= (levels - 1) * (examples - 1) * examples
    single_square /= (levels - 1) * (seeds - 1) * (examples - 1) * seeds * examples
    found = of_levels(values)
    assert found is not None
    assert found.between == pytest.approx(by_level.var(ddof=1))
    assert found.noise == pytest.approx(seed_square + max(0.0, example_square - single_square))


def test_the_interval_reaches_zero_where_the_f_test_does_not_reject() -> None:
    found = Variation(between=1.0, noise=0.25, degrees=8, levels=5, seeds=3)
    critical = stats.f.ppf(0.975, 4, 8)
    below = deviation(Variation(0.25 * critical * 0.9, 0.25, 8, 5, 3))
    above = deviation(Variation(0.25 * critical * 1.1, 0.25, 8, 5, 3))
    assert below.low == 0 < above.low
    assert found.deviation == pytest.approx(np.sqrt(0.75))


def test_without_noise_the_interval_has_no_width_and_with_little_it_is_students() -> None:
    assert deviation(Variation(0.01, 0.0, 8, 5, 3)).high == pytest.approx(0.1)
    found = deviation(Variation(0.01, 4e-8, 8, 5, 3))
    half = stats.t.ppf(0.975, 8) * np.sqrt(4e-8 / 4)
    assert (found.low, found.high) == (pytest.approx(0.1 - half, abs=2e-5), pytest.approx(0.1 + half, abs=2e-5))


def test_one_seed_and_one_level_say_nothing() -> None:
    assert of_levels(np.zeros((5, 1, 20))) is None
    assert of_levels(np.zeros((1, 5, 20))) is None


def test_answers_that_are_all_alike_may_still_vary() -> None:
    found = of_levels(np.ones((5, 3, 100)))
    assert found is not None
    assert deviation(found, reach=0.036).high == pytest.approx(0.036)
    apart = deviation_difference(found, found, reach=0.036)
    assert (apart.low, apart.high, apart.p) == (-0.036, 0.036, 1.0)


@pytest.mark.parametrize(("noise", "least", "most"), [(Noise(still=True), 0, 0.1), (Noise(luck=0.05), 0.8, 1)])
def test_a_difference_knows_how_much_of_its_width_seeds_would_reduce(noise: Noise, least: float, most: float) -> None:
    first, second = (of_levels(arm) for arm in answers(np.stack([FLAT, FLAT]), (noise, noise), 5, 400, RANDOM))
    assert first is not None and second is not None
    found = deviation_difference(first, second)
    assert found.width is not None and least <= found.width.share <= most
    assert found.at(0.001).high > found.high


def rates(
    truth: tuple[np.ndarray, np.ndarray], noise: tuple[Noise, Noise], seeds: int, studies: int, images: int = 200
) -> tuple[float, float]:
    """How often the first arm is called more robust, and less robust."""
    generator = np.random.default_rng(1)
    more = less = 0
    for _ in range(studies):
        first, second = (of_levels(arm) for arm in answers(np.stack(truth), noise, seeds, images, generator))
        assert first is not None and second is not None
        found = deviation_difference(second, first)
        more += found.p < 0.05 and found.low > 0
        less += found.p < 0.05 and found.high < 0
    return more / studies, less / studies


@pytest.mark.parametrize("truth", [(FLAT, FLAT), (GAINS, GAINS)], ids=["flat", "tied"])
def test_the_quiet_arm_is_not_the_more_robust_one(truth: tuple[np.ndarray, np.ndarray]) -> None:
    more, less = rates(truth, (QUIET, LOUD), seeds=3, studies=40)
    assert max(more, less) <= stats.binom.ppf(0.999, 40, 0.025) / 40


def test_an_arm_that_swings_by_gains_is_not_the_more_robust_one() -> None:
    more, less = rates((STEADY, GAINS), (Noise(), Noise()), seeds=3, studies=30, images=800)
    assert less == 0.0
    assert more > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 10])
@pytest.mark.parametrize("truth", [(FLAT, FLAT), (GAINS, GAINS)], ids=["flat", "tied"])
@pytest.mark.parametrize("noise", [(QUIET, LOUD), HEAVY, COLLAPSING], ids=["unequal", "t3", "collapsing"])
def test_false_claims_thoroughly(seeds: int, truth: tuple[np.ndarray, np.ndarray], noise: tuple[Noise, Noise]) -> None:
    """At most 5 % one-sided where one arm is four times as noisy, whatever the noise is."""
    more, less = rates(truth, noise, seeds, studies=200)
    assert max(more, less) <= 0.05


def flatter(
    truths: tuple[float, float], lucks: tuple[float, float], confirming: int, studies: int, policies: int = 32
) -> tuple[float, float]:
    """How often a search calls the first arm the flatter one, and the second.

    Args:
        truths: the standard deviations over all policies; ``lucks``: those of a pretraining.
    """
    generator = np.random.default_rng(3)
    first = second = 0
    for _ in range(studies):
        found = []
        for truth, luck in zip(truths, lucks, strict=True):
            accuracy = 0.6 + truth * generator.standard_normal(policies)
            noise = [Noise(luck=luck)]
            (sample,) = answers(accuracy[None], noise, 1, 200, generator)
            (repeated,) = answers(np.full((1, 2), 0.6), noise, confirming, 200, generator)
            variation = of_sample(sample[:, 0], repeated, 1)
            assert variation is not None
            found.append(variation)
        apart = deviation_difference(found[1], found[0])
        first += apart.p < 0.05 and apart.low > 0
        second += apart.p < 0.05 and apart.high < 0
    return first / studies, second / studies


def test_a_quiet_arm_is_not_the_flatter_one() -> None:
    found = flatter((0.0, 0.0), (0.005, 0.02), confirming=8, studies=60)
    assert max(found) <= stats.binom.ppf(0.999, 60, 0.025) / 60


def test_a_flat_arm_is_told_from_one_that_is_not() -> None:
    first, second = flatter((0.0, 0.07), (0.01, 0.01), confirming=8, studies=20)
    assert first > 0.8 and second == 0.0


@pytest.mark.slow
@pytest.mark.parametrize("confirming", [3, 8])
@pytest.mark.parametrize("truth", [0.0, 0.03])
def test_flatter_is_rarely_false(confirming: int, truth: float) -> None:
    """At most 5 % of each direction, with luck of 2 points against half a point and 32 policies."""
    assert max(flatter((truth, truth), (0.005, 0.02), confirming, studies=500)) <= 0.05
