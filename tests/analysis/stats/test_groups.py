"""Intervals of test images in groups: against the formulas of cluster sampling, and their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.stats.groups import Grouped, totals
from hpt_ray.analysis.stats.power import seeds_needed


def interval_of_mean(values: np.ndarray, signed: bool = True, replicates: int = 1000) -> Interval:
    return replicate(values[None], replicates=replicates, signed=signed).interval(lambda means: means[..., 0])


def units_of(groups: int, images: int, generator: np.random.Generator) -> np.ndarray:
    """The group of each image, in no order: groups of unequal size, each with an image or more."""
    shares = generator.lognormal(0, 0.5, groups)
    others = generator.choice(groups, images - groups, p=shares / shares.sum())
    return generator.permutation(np.concatenate([np.arange(groups), others]))


def clustered(
    units: np.ndarray, seeds: int, generator: np.random.Generator, own_group: float, mean: float = 0.5
) -> np.ndarray:
    """Answers [2, seeds, images] of two arms that truly do not differ: each is better or worse at whole groups."""
    draw, groups = generator.standard_normal, int(units.max()) + 1
    latent = (
        mean
        + draw((1, 1, len(units)))
        + 0.05 * (seeds > 1) * draw((2, seeds, 1))
        + own_group * draw((2, 1, groups))[..., units]
    )
    return (latent + draw((2, seeds, len(units))) > 0).astype(np.float64)


def coverage(groups: int, seeds: int, own_group: float, studies: int) -> tuple[float, float]:
    """Shares of studies whose interval covers zero, where groups are resampled and where single images are."""
    covered = np.zeros(2)
    generator = np.random.default_rng([groups, seeds, studies])
    for _ in range(studies):
        units = units_of(groups, 300, generator)
        one, other = clustered(units, seeds, generator, own_group)
        for place, of in enumerate((units, None)):
            found = interval_of_mean(totals(one, of, 0.6) - totals(other, of, 0.6), replicates=500)
            covered[place] += found.low <= 0 <= found.high
    by_group, by_image = covered / studies
    return float(by_group), float(by_image)


def test_totals_have_the_mean_of_the_images_and_say_what_they_are() -> None:
    generator = np.random.default_rng(0)
    units, scores = units_of(7, 60, generator), generator.random((3, 60))
    scores[1] = np.nan
    found = totals(scores, units, 0.4)
    assert found.shape == (3, 7) and isinstance(found, Grouped)
    np.testing.assert_allclose(found.mean(axis=1), scores.mean(axis=1))
    for computed in (found - found, np.stack([found, found]), np.concatenate([found, found]), found[:, :2], -found):
        assert isinstance(computed, Grouped)
    assert totals(scores, None, 0.4) is scores


def test_the_interval_of_one_seed_is_that_of_cluster_sampling() -> None:
    """Student's over the groups' totals of a difference (Cochran 1977, eq. 9.5 with unequal sizes and known N)."""
    generator = np.random.default_rng(1)
    units = units_of(30, 400, generator)
    one, other = clustered(units, 1, generator, 0.8)
    found = interval_of_mean(totals(one, units, 0.6) - totals(other, units, 0.6), replicates=40_000)
    sums = np.array([(one - other)[0, units == group].sum() for group in range(30)])
    error = np.sqrt(30 * sums.var(ddof=1)) / 400
    low, high = stats.t.interval(0.95, 29, loc=sums.sum() / 400, scale=error)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.1 * error), pytest.approx(high, abs=0.1 * error))
    centre, half = (found.low + found.high) / 2, (found.high - found.low) / 2
    expected = 2 * stats.t.sf(abs(centre) / half * stats.t.ppf(0.975, 29), 29)
    assert found.p == pytest.approx(expected, rel=0.02)


def test_sizes_of_groups_add_no_width_to_an_accuracy() -> None:
    """The linearised variance of a ratio of totals (Cochran 1977, section 9A.1)."""
    generator = np.random.default_rng(2)
    units = np.repeat(np.arange(30), generator.integers(1, 40, 30))
    right = (generator.random(len(units)) < 0.7).astype(float)
    found = interval_of_mean(totals(right[None], units, float(right.mean())), signed=False, replicates=40_000)
    residuals = np.array([(right[units == group] - right.mean()).sum() for group in range(30)])
    half = stats.t.ppf(0.975, 29) * np.sqrt(30 / 29 * np.square(residuals).sum()) / len(units)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("groups", [1, 2, 11])
def test_groups_that_are_all_answered_alike_are_counted_and_not_their_images(groups: int) -> None:
    units = np.arange(142) % groups
    right = np.ones((3, 142))
    difference = interval_of_mean(totals(right, units, 0.5) - totals(right, units, 0.5))
    none = 1 - 0.025 ** (1 / groups)
    assert (difference.low, difference.high, difference.p) == pytest.approx((-none, none, 1.0), abs=1e-9)
    accuracy = interval_of_mean(totals(right, units, 0.5), signed=False)
    assert accuracy.low <= 0.025 ** (1 / groups) + 1e-9


def test_a_few_groups_that_differ_reach_as_far_as_exact_bounds() -> None:
    units = np.arange(400) % 40
    values = np.zeros((3, 400))
    values[:, units < 3] = 1.0
    found = interval_of_mean(totals(values, units, 0.0))
    more, none = (stats.binomtest(count, 40).proportion_ci(0.95, method="exact") for count in (3, 0))
    assert found.low <= more.low - none.high + 1e-9 and found.high >= more.high - none.low - 1e-9
    enough = exact.enough(totals(values, units, 0.0), 0.01)
    assert enough is not None and enough.grouped and (enough.differ, enough.images) == (3, 40)


@pytest.mark.parametrize("groups", [2, 5, 6, 12])
def test_groups_that_agree_by_chance_are_as_many_as_they_are(groups: int) -> None:
    """Each group has one more right answer: no variance, and the sign test's certainty."""
    units = np.arange(10 * groups) % groups
    values = np.zeros((3, 10 * groups))
    values[:, :groups] = 1.0
    found = interval_of_mean(totals(values, units, 0.0))
    low, _ = stats.binomtest(groups, groups).proportion_ci(0.95, method="exact")
    assert found.low == pytest.approx(min(0.1, low - (1 - low)), abs=1e-9)
    assert (found.p < 0.05) == (stats.binomtest(groups, groups).pvalue < 0.05) == (groups >= 6)


def test_fewer_than_six_groups_decide_nothing() -> None:
    generator = np.random.default_rng(4)
    units = np.arange(400) % 5
    for _ in range(20):
        one, other = clustered(units, 3, generator, 0.3)
        found = interval_of_mean(totals(np.maximum(one, 0.9), units, 0.5) - totals(other, units, 0.5))
        assert found.low < 0 < found.high and found.p > 0.05


def test_what_would_be_needed_is_said_in_groups() -> None:
    generator = np.random.default_rng(3)
    units = units_of(12, 300, generator)
    one, other = clustered(units, 4, generator, 1.0, mean=0.3)
    values = totals(one, units, 0.5) - totals(other, units, 0.5)
    assert "groups of test images" in seeds_needed(values - values.mean() + 0.03).reason


@pytest.mark.parametrize("groups", [11, 40])
def test_resampled_groups_cover_where_images_do_not(groups: int) -> None:
    by_group, by_image = coverage(groups, 3, 0.7, studies=150)
    assert by_group >= 0.93 - 2 * np.sqrt(0.95 * 0.05 / 150)
    assert by_image < 0.88


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3, 5])
@pytest.mark.parametrize("groups", [6, 11, 20, 40])
@pytest.mark.parametrize("own_group", [0.4, 0.7])
def test_resampled_groups_cover_thoroughly(groups: int, seeds: int, own_group: float) -> None:
    by_group, by_image = coverage(groups, seeds, own_group, studies=1000)
    print(f"{groups} groups, {seeds} seeds, {own_group}: by group {by_group:.3f}, by image {by_image:.3f}")
    assert by_group >= 0.93
    assert by_image < 0.93
