"""Speed-up against curves whose ratio is known, censoring, and the interval's coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from hpt_ray.analysis.measures.speedup import Bound, SpeedUp, monotone, speed_up, speed_ups
from tests.support import learning_curves

#: Half decades.
HPT_BUDGETS, SCRATCH_BUDGETS = (50.0, 158.0, 500.0), (50.0, 158.0, 500.0, 1581.0, 5000.0, 15811.0)


def exactly(accuracies: dict[float, float], seeds: int = 3, examples: int = 1000) -> dict[float, np.ndarray]:
    """Correctness of those very accuracies, the same at every seed: no chance between seeds."""
    return {
        cost: np.tile(np.arange(examples) < round(value * examples), (seeds, 1)).astype(float)
        for cost, value in accuracies.items()
    }


def test_monotone_is_isotonic_regression() -> None:
    values = np.random.default_rng(0).normal(size=(50, 7)).round(1)
    expected = [optimize.isotonic_regression(row).x for row in values]
    np.testing.assert_allclose(monotone(values), expected, atol=1e-12)


def test_ratio_by_hand() -> None:
    """HPT has 0.7 after 100; from scratch 0.6 after 100 and 0.8 after 10,000, so 0.7 after 1,000."""
    scratch = exactly({100: 0.6, 10_000: 0.8})
    found = speed_ups(exactly({10: 0.65, 100: 0.7}), scratch)
    assert found[100].ratio == pytest.approx(10)
    assert found[10].ratio == pytest.approx(100 * 10**0.5 / 10)
    assert (found[100].level, found[100].bound, found[100].censored) == (pytest.approx(0.7), Bound.EXACT, False)
    assert speed_up(exactly({10: 0.65, 100: 0.7}), scratch) == found[100]


def test_the_bases_cost_is_added_to_hpts() -> None:
    found = speed_up(exactly({10: 0.65, 100: 0.7}), exactly({100: 0.6, 10_000: 0.8}), offset=400)
    assert found.ratio == pytest.approx(1000 / 500)


def test_a_fall_is_pooled_and_its_first_budget_counts() -> None:
    """0.72 and 0.68 are one level, 0.70, which HPT has at 50 already, though not at its smallest budget."""
    found = speed_up(exactly({10: 0.5, 50: 0.72, 100: 0.68}), exactly({100: 0.6, 10_000: 0.8}))
    assert (found.level, found.ratio, found.bound) == (pytest.approx(0.7), pytest.approx(1000 / 50), Bound.EXACT)


def test_from_scratch_never_there_is_at_least() -> None:
    found = speed_up(exactly({10: 0.5, 100: 0.9}), exactly({100: 0.4, 10_000: 0.6}))
    assert (found.ratio, found.bound, found.censored) == (pytest.approx(100), Bound.AT_LEAST, True)
    assert (found.low, found.high) == (pytest.approx(100), math.inf)


def test_hpt_there_at_its_smallest_budget_is_at_least() -> None:
    hpt, scratch = exactly({10: 0.7, 100: 0.7}), exactly({100: 0.6, 10_000: 0.8})
    found = speed_ups(hpt, scratch)
    assert (found[100].ratio, found[100].bound) == (pytest.approx(1000 / 10), Bound.AT_LEAST)
    assert found[100].high == math.inf
    # The smallest budget itself claims no more than what it spent, and the base's cost was spent for certain.
    assert (found[10].ratio, found[10].bound) == (pytest.approx(1000 / 10), Bound.EXACT)
    based = speed_up(hpt, scratch, offset=40)
    assert (based.ratio, based.bound) == (pytest.approx(1000 / 50), Bound.AT_LEAST)
    assert based.high < 1.5 * 1000 / 40


def test_from_scratch_there_at_its_smallest_budget_is_at_most() -> None:
    found = speed_up(exactly({10: 0.5, 100: 0.55}), exactly({100: 0.8, 10_000: 0.9}))
    assert (found.ratio, found.bound, found.low) == (pytest.approx(1), Bound.AT_MOST, 0.0)


def test_both_there_at_their_smallest_budgets_is_unknown() -> None:
    found = speed_up(exactly({10: 0.5, 100: 0.5}), exactly({100: 0.8, 10_000: 0.9}))
    assert math.isnan(found.ratio) and (found.low, found.high) == (0.0, math.inf)
    assert found.bound is Bound.UNKNOWN


def test_an_arm_against_itself_is_no_faster() -> None:
    hpt, _ = study(1.0, 3, np.random.default_rng(1))
    assert [found.ratio for found in speed_ups(hpt, hpt).values()] == pytest.approx([1, 1, 1])


def test_one_seed_says_so() -> None:
    hpt, scratch = study(5.0, 1, np.random.default_rng(2))
    assert speed_up(hpt, scratch).seeds == 1


@pytest.mark.parametrize("costs", [{}, {0.0: 0.5, 10.0: 0.6}])
def test_no_budget_or_no_cost_is_an_error(costs: dict[float, float]) -> None:
    with pytest.raises(ValueError, match="a budget of each arm, with a cost above zero"):
        speed_up(exactly(costs), exactly({100: 0.6}))


def study(
    factor: float, seeds: int, generator: np.random.Generator, examples: int = 300
) -> tuple[dict[float, np.ndarray], dict[float, np.ndarray]]:
    """A study in which HPT needs one ``factor``-th of what from scratch needs, for every accuracy."""
    hpt = [learning_curves.power_law(cost * factor) for cost in HPT_BUDGETS]
    scratch = [learning_curves.power_law(cost) for cost in SCRATCH_BUDGETS]
    return learning_curves.arms((HPT_BUDGETS, SCRATCH_BUDGETS), (hpt, scratch), seeds, examples, generator)


def check(factor: float, seeds: int, studies: int) -> None:
    """Median ratio and coverage at every HPT budget but the smallest, where a factor of 1 is at scratch's smallest."""
    generator = np.random.default_rng([seeds, int(10 * factor)])
    found: list[list[SpeedUp]] = [
        list(speed_ups(*study(factor, seeds, generator)).values())[1:] for _ in range(studies)
    ]
    for at_budget in zip(*found, strict=True):
        ratios = np.log([one.ratio for one in at_budget])
        # Off from-scratch's budgets the chord of a concave curve takes up to 6 % more to reach a level.
        chord = 0.0 if factor in (1, 10) else 0.06
        assert abs(np.median(ratios) - np.log(factor)) < chord + 4 * 1.25 * ratios.std() / np.sqrt(studies)
        covered = sum(one.low <= factor * 1.0001 and one.high >= factor * 0.9999 for one in at_budget)
        above = sum(one.low > factor for one in at_budget)
        assert covered >= stats.binom.ppf(0.001, studies, 0.95)
        assert above <= stats.binom.ppf(0.999, studies, 0.06 if chord else 0.03)


@pytest.mark.parametrize("factor", [pytest.param(0.5, marks=pytest.mark.slow), 5.0])
def test_the_ratio_is_found_and_covered(factor: float) -> None:
    check(factor, seeds=3, studies=300)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("factor", [0.5, 1.0, 5.0, 10.0])
def test_the_ratio_is_found_and_covered_thoroughly(factor: float, seeds: int) -> None:
    check(factor, seeds, studies=2000)
