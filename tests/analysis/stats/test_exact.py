"""Exact bounds against scipy's, and what they make of test sets too small to tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome, judge
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.analysis.stats.comparisons import across


@pytest.mark.parametrize(("count", "of"), [(0, 2), (2, 2), (1, 10), (5, 800), (799, 800)])
def test_a_share_has_the_interval_of_clopper_and_pearson(count: int, of: int) -> None:
    found = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
    assert exact.share(count, of) == pytest.approx((found.low, found.high), abs=1e-12)


def test_two_images_that_are_all_right_show_next_to_nothing() -> None:
    right = np.ones((3, 2))
    accuracy, difference = mean(right, signed=False), mean(right - right)
    assert accuracy is not None and difference is not None
    assert (accuracy.low, accuracy.high) == pytest.approx((0.158, 1.0), abs=1e-3)
    assert (difference.low, difference.high, difference.p) == pytest.approx((-0.842, 0.842, 1.0), abs=1e-3)
    assert judge(difference, p=difference.p) is Outcome.UNDECIDED


@pytest.mark.parametrize("examples", [2, 10, 100])
def test_all_wrong_and_all_right_differ_as_surely_as_images_allow(examples: int) -> None:
    found = mean(np.ones((3, examples)))
    assert found is not None and found.p > 0
    none = 0.025 ** (1 / examples)
    assert (found.low, found.high) == pytest.approx((none - (1 - none), 1.0))
    assert judge(found, p=found.p) is (Outcome.UNDECIDED if examples == 2 else Outcome.BETTER)


def test_many_images_with_many_differences_keep_the_bootstraps_interval() -> None:
    generator = np.random.default_rng(0)
    values = (generator.random((3, 800)) < 0.5).astype(float) - (generator.random((3, 800)) < 0.5)
    assert exact.bounds(values, signed=True) is None


def test_few_differences_reach_as_far_as_exact_bounds() -> None:
    values = np.zeros((3, 800))
    values[:, :3] = 1
    found = mean(values)
    assert found is not None
    more, none = (stats.binomtest(count, 800).proportion_ci(0.95, method="exact") for count in (3, 0))
    assert found.high >= more.high - none.low - 1e-12
    assert found.low <= more.low - none.high + 1e-12


@pytest.mark.parametrize(("most", "needed"), [(1.0, 368), (2.0, 736)])
@pytest.mark.parametrize("margin", [0.01, 0.02])
@pytest.mark.parametrize("examples", [1, 2, 100, 300])
def test_enough_images_are_the_fewest_that_show_the_margin(
    examples: int, margin: float, most: float, needed: int
) -> None:
    found = exact.enough(np.zeros((3, examples)), margin, most)
    fewest = next(n for n in range(1, 1000) if most * (1 - 0.025 ** (1 / n)) < margin)
    if margin == 0.01:
        assert fewest == needed
    assert found == (exact.Enough(0, examples, fewest) if examples < fewest else None)
    for images, outcome in ((fewest, Outcome.EQUIVALENT), (fewest - 1, Outcome.UNDECIDED)):
        shown = mean(np.zeros((3, images)), most=most)
        assert shown is not None and judge(shown, margin, shown.p) is outcome


@pytest.mark.parametrize(("differ", "examples"), [(2, 2), (1, 100), (3, 300), (5, 50)])
def test_enough_images_of_which_as_many_differ(differ: int, examples: int) -> None:
    values = np.zeros((3, examples))
    values[:, :differ] = -1
    found = exact.enough(values, 0.01)
    assert found is not None and (found.differ, found.images) == (differ, examples)

    def settled(images: int) -> bool:
        count = differ * images / examples
        worse, none = stats.beta(count, images - count + 1).ppf(0.025) if count else 0, 1 - 0.025 ** (1 / images)
        most = stats.beta(count + 1, images - count).ppf(0.975) if count < images else 1.0
        return bool(worse > none or (most < 0.01 and none < 0.01))

    assert settled(found.needed) and not settled(found.needed - 1)


def test_where_a_bootstrap_can_tell_images_are_not_counted() -> None:
    values = np.zeros((3, 100))
    values[:, :20] = 1
    assert exact.enough(values, 0.01) is None


def test_targets_that_agree_by_chance_do_not_make_their_mean_certain() -> None:
    alike = {name: Interval(0.02, -0.08, 0.12, 3, 0.7) for name in "abcd"}
    found = across(alike, margin=0.01).mean
    assert (found.low, found.high) == pytest.approx((0.02 - 0.05, 0.02 + 0.05))
    assert found.p == pytest.approx(2 * stats.norm.sf(0.02 / 0.05 * 1.959964), abs=1e-6)
