"""The power that is foretold, against the noncentral t and against simulated studies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome, judge
from hpt_ray.analysis.stats.bootstrap import replicate
from hpt_ray.analysis.stats.power import chance, chance_within, seeds_equivalent, seeds_needed, smallest_margin
from tests.support.noisy import Noise, answers


@pytest.mark.parametrize("seeds", [2, 3, 5, 20])
def test_seeds_alone_have_the_noncentral_ts_power(seeds: int) -> None:
    difference, deviation = 0.03, 0.04
    bound, shift = stats.t.ppf(0.975, seeds - 1), difference / deviation * np.sqrt(seeds)
    expected = stats.nct.sf(bound, seeds - 1, shift) + stats.nct.cdf(-bound, seeds - 1, shift)
    assert chance(seeds, difference, deviation**2, 0.0) == pytest.approx(expected, abs=0.002)


def test_the_test_sample_alone_has_the_normals_power() -> None:
    assert chance(5, 0.028, 0.0, 0.01) == pytest.approx(stats.norm.sf(1.96 - 2.8), abs=0.001)


def additive(difference: float, seed: np.ndarray, example: np.ndarray) -> np.ndarray:
    return difference + (seed - seed.mean())[:, None] + (example - example.mean())


@pytest.mark.parametrize(("seed_deviation", "example_deviation"), [(0.05, 0.0), (0.05, 0.18), (0.02, 0.19)])
def test_studies_of_that_size_have_that_power(seed_deviation: float, example_deviation: float) -> None:
    """Studies drawn with the components of the first exclude zero as often as foretold; one seed fewer is too few."""
    generator, difference, examples, studies = np.random.default_rng(7), 0.04, 200, 1000
    seed, example = (generator.standard_normal(size) for size in (4, examples))
    first = additive(
        difference, seed_deviation * seed / seed.std(ddof=1), example_deviation * example / example.std(ddof=1)
    )
    needed = seeds_needed(first).seeds
    assert needed is not None and needed > 2

    def power(seeds: int) -> float:
        excluded = 0
        for _ in range(studies):
            values = (
                difference
                + seed_deviation * generator.standard_normal((seeds, 1))
                + example_deviation * generator.standard_normal(examples)
            )
            excluded += replicate(values[None], replicates=500).interval(lambda means: means[..., 0]).p < 0.05
        return excluded / studies

    error = 3 * np.sqrt(0.8 * 0.2 / studies)
    assert 0.8 - error < power(needed) < 0.9 + error
    assert chance(needed - 1, difference, seed_deviation**2, example_deviation / np.sqrt(examples)) < 0.8


def test_a_test_sample_too_small_is_said() -> None:
    """2.8 errors of the test sample are needed; there is one, so 7.85 times the images."""
    example = np.tile([-1.0, 1.0], 50) * np.sqrt(99 / 100)
    found = seeds_needed(additive(0.1, np.array([-0.01, 0.0, 0.01]), example))
    assert found.seeds is None
    assert "more than 785 test images are needed, 7.9 times as many as there are" in found.reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.tile([0.0, 0.3], 10)[None], "one seed does not show"),
        (np.array([[0.1] * 5, [-0.1] * 5]), "the difference seen is zero"),
        (np.array([[1.001] * 5, [-1.0] * 5]), "more than 1000 seeds"),
    ],
)
def test_there_may_be_no_number(values: np.ndarray, reason: str) -> None:
    found = seeds_needed(values)
    assert found.seeds is None and reason in found.reason


def test_a_lost_seed_does_not_count() -> None:
    values = additive(0.05, np.array([-0.04, 0.0, 0.04]), np.linspace(-0.2, 0.2, 50))
    with_hole = np.vstack([values, np.full((1, 50), np.nan)])
    assert seeds_needed(with_hole) == seeds_needed(values)
    assert seeds_needed(values).seeds is not None


@pytest.mark.parametrize("seeds", [3, 20])
def test_within_a_margin_the_test_sample_alone_has_the_normals_power(seeds: int) -> None:
    """The estimate must lie within the margin less 1.96 errors, on either side of zero."""
    expected = stats.norm.cdf(1.5) - stats.norm.cdf(-1.5)
    assert chance_within(seeds, (1.96 + 1.5) * 0.01, 0.0, 0.01) == pytest.approx(expected, abs=0.001)


@pytest.mark.parametrize(("seed_deviation", "example_deviation"), [(0.02, 0.0), (0.015, 0.03)])
def test_so_many_seeds_show_that_there_is_no_difference(seed_deviation: float, example_deviation: float) -> None:
    """Of studies in which nothing differs, drawn with the components of the first, as many are within as foretold."""
    generator, examples, studies = np.random.default_rng(3), 200, 500
    seed, example = (generator.standard_normal(size) for size in (4, examples))
    first = additive(0.0, seed_deviation * seed / seed.std(ddof=1), example_deviation * example / example.std(ddof=1))
    needed = seeds_equivalent(first, 0.01).seeds
    assert needed is not None and needed > 4

    def power(seeds: int) -> float:
        within = 0
        for _ in range(studies):
            values = seed_deviation * generator.standard_normal((seeds, 1)) + (
                example_deviation * generator.standard_normal(examples)
            )
            found = replicate(values[None], replicates=500).interval(lambda means: means[..., 0])
            within += found.low > -0.01 and found.high < 0.01
        return within / studies

    error = 3 * np.sqrt(0.8 * 0.2 / studies)
    assert 0.8 - error < power(needed) < 0.87 + error


def test_a_test_sample_too_small_for_a_margin_is_said() -> None:
    """(1.96 + 1.2816) errors of the test sample must fit in the margin; of an error of 0.1, 10.508 times the images."""
    example = np.tile([-1.0, 1.0], 50) * np.sqrt(99 / 100)
    found = seeds_equivalent(additive(0.0, np.array([-0.01, 0.0, 0.01]), example), 0.1)
    assert found.seeds is None
    assert "more than 1,051 test images are needed, 10.6 times as many as there are" in found.reason


def test_the_smallest_margin_is_what_the_test_sample_leaves_open() -> None:
    example = 0.3 * np.tile([-1.0, 1.0], 50) * np.sqrt(99 / 100)
    found = smallest_margin(additive(0.02, np.array([-0.01, 0.0, 0.01]), example))
    assert found == pytest.approx(stats.norm.ppf(0.975) * 0.3 / np.sqrt(100))


def test_of_answers_that_are_all_alike_the_exact_bound_is_left_open() -> None:
    assert smallest_margin(np.zeros((3, 300))) == pytest.approx(1 - 0.025 ** (1 / 300))
    assert smallest_margin(np.zeros((3, 1))) is None


def falsely_equivalent(seeds: int, studies: int, noise: Noise) -> float:
    """How often arms that differ by the margin, of 5 points, are called equivalent."""
    generator, wrong = np.random.default_rng(4), 0
    for _ in range(studies):
        first, second = answers(np.array([[0.65], [0.60]]), (noise, noise), seeds, 2000, generator)
        found = replicate(first - second, replicates=500).interval(lambda means: means[..., 0])
        wrong += judge(found, 0.05) is Outcome.EQUIVALENT
    return wrong / studies


def test_arms_that_differ_by_the_margin_are_rarely_called_equivalent() -> None:
    assert falsely_equivalent(3, 60, Noise(luck=0.005, own=0.2)) <= stats.binom.ppf(0.999, 60, 0.025) / 60


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("heavy", [False, True], ids=["normal", "t3"])
def test_false_equivalence_thoroughly(seeds: int, heavy: bool) -> None:
    """At most 2.5 % at the margin, and what chance adds to that in 600 studies."""
    rate = falsely_equivalent(seeds, 600, Noise(luck=0.005, own=0.2, heavy=heavy))
    assert rate <= stats.binom.ppf(0.99, 600, 0.025) / 600


def test_the_range_holds_the_number_that_is_truly_needed() -> None:
    """In about 80 % of studies of five seeds whose difference is as large as the true one."""
    generator, difference, deviation, held, studies = np.random.default_rng(5), 0.05, 0.03, 0, 200
    needed = next(seeds for seeds in range(2, 100) if chance(seeds, difference, deviation**2, 0.0) >= 0.8)
    for _ in range(studies):
        found = seeds_needed(additive(difference, deviation * generator.standard_normal(5), np.zeros(40)))
        assert found.seeds is not None and found.most is not None and found.least <= found.seeds <= found.most
        held += found.least <= needed <= found.most
    assert stats.binom.ppf(0.001, studies, 0.8) <= held


def test_more_claims_need_more_seeds() -> None:
    values = additive(0.05, np.array([-0.04, 0.0, 0.04]), np.zeros(50))
    alone, among_four = seeds_needed(values).seeds, seeds_needed(values, rate=0.05 / 4).seeds
    assert alone is not None and among_four is not None and among_four > alone
    assert chance(among_four, 0.05, 0.04**2, 0.0, 0.05 / 4) == pytest.approx(
        stats.nct.sf(stats.t.ppf(1 - 0.05 / 8, among_four - 1), among_four - 1, 0.05 / 0.04 * np.sqrt(among_four)),
        abs=0.003,
    )
