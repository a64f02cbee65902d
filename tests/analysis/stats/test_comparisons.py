"""Holm's correction against closed testing, and verdicts over targets whose truth is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.stats.comparisons import across, holm
from tests.support import simulate


def closed_testing(p_values: list[float]) -> list[float]:
    """Marcus, Peritz and Gabriel (1976): a claim holds if Bonferroni rejects every set of hypotheses it is in."""
    places = range(len(p_values))
    sets = [chosen for size in range(1, len(p_values) + 1) for chosen in itertools.combinations(places, size)]
    local = {chosen: min(1.0, len(chosen) * min(p_values[place] for place in chosen)) for chosen in sets}
    return [max(p for chosen, p in local.items() if place in chosen) for place in places]


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.04]), max_size=6))
def test_holm_is_closed_testing(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(closed_testing(p_values))


def test_holm_by_hand() -> None:
    """0.01 * 4, then the larger of it and 0.02 * 3, and so on down."""
    assert holm([0.04, 0.01, 0.9, 0.02]) == pytest.approx([0.08, 0.04, 0.9, 0.06])


@pytest.mark.parametrize("wrong", [math.nan, -0.1, 1.2])
def test_what_is_no_p_value_is_an_error(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])


def target(estimate: float, half: float, p: float, seeds: int = 3) -> Interval:
    return Interval(estimate, estimate - half, estimate + half, seeds, p)


def test_across_targets() -> None:
    differences = {
        "aerial": target(0.08, 0.03, 0.001),
        "sketch": target(0.04, 0.03, 0.03),  # better alone, but not after correction: 0.03 * 2
        "medical": target(-0.09, 0.02, 0.0005, seeds=2),
        "digits": target(0.002, 0.005, 0.4),
        "tiny": target(0.004, 0.003, 0.01),  # surely above zero, surely of no weight
    }
    found = across(differences, margin=0.01)
    assert (found.wins, found.losses, found.undecided) == (("aerial",), ("medical",), ("sketch",))
    assert found.ties == ("digits", "tiny")
    assert found.adjusted["sketch"] == pytest.approx(0.06)
    estimates = [interval.estimate for interval in differences.values()]
    expected = stats.ttest_1samp(estimates, 0)
    assert (found.mean.low, found.mean.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert (found.mean.p, found.mean.seeds) == (pytest.approx(expected.pvalue), 2)


def test_fifteen_of_sixteen() -> None:
    """The paper's count: chance alone gives it, or a clearer one, in 34 of 2**16 studies."""
    found = across({str(number): target(0.01 if number else -0.01, 0.05, 0.6) for number in range(16)}, margin=0.001)
    assert (found.ahead, found.behind, found.sign_p) == (15, 1, pytest.approx(34 / 2**16))
    assert len(found.undecided) == 16


def test_one_target_keeps_its_own_interval() -> None:
    own = target(0.04, 0.03, 0.03)
    found = across({"aerial": own}, margin=0.01)
    assert (found.mean, found.wins) == (own, ("aerial",))


def test_no_mean_difference_is_more_than_all_there_is() -> None:
    """Student's quantile over two targets is 12.7: half an interval of 3.8 and more."""
    found = across({"one": target(0.5, 0.1, 0.01), "two": target(-0.1, 0.1, 0.3)}, margin=0.01).mean
    assert (found.estimate, found.low, found.high) == (pytest.approx(0.2), -1.0, 1.0)
    assert found.p > 0.5


def test_no_difference_at_all_is_no_direction() -> None:
    found = across({"one": target(0.0, 0.0, 1.0), "two": target(0.0, 0.0, 1.0)}, margin=0.01)
    assert (found.ahead, found.behind, found.sign_p, found.mean.p) == (0, 0, 1.0, 1.0)
    assert found.ties == ("one", "two")


#: Standard deviations in points: of a target's own difference, of a row on one target, and of its test sample.
TARGETS_APART, OWN_ROW, TEST_SAMPLE = 1.5, 0.6, 1.3


def simulated(luck: float, targets: int, seeds: int, generator: np.random.Generator) -> np.ndarray:
    """Differences [targets, seeds] in points whose true mean is zero; ``luck`` is that of the bases, the same on all
    targets."""
    normal = generator.standard_normal
    fixed = TARGETS_APART * normal((targets, 1)) + TEST_SAMPLE * normal((targets, 1))
    found: np.ndarray = fixed + luck * normal(seeds) + OWN_ROW * normal((targets, seeds))
    return found


def judged(rows: np.ndarray, *, shared: bool) -> Interval:
    """The mean over targets, with each target's own interval from what is known of it."""
    seeds = rows.shape[1]
    seen = stats.t.ppf(0.975, seeds - 1) ** 2 * rows.var(axis=1, ddof=1) / seeds
    half = np.sqrt(seen + (1.96 * TEST_SAMPLE) ** 2)
    differences = {
        str(name): target(float(row.mean()), float(wide), 0.5, seeds)
        for name, (row, wide) in enumerate(zip(rows, half, strict=True))
    }
    return across(differences, 0.01, {str(name): row for name, row in enumerate(rows)} if shared else None).mean


def covered(luck: float, targets: int, seeds: int, *, shared: bool = True, studies: int = 1000) -> float:
    generator = np.random.default_rng([targets, seeds, round(10 * luck)])
    found = [judged(simulated(luck, targets, seeds, generator), shared=shared) for _ in range(studies)]
    return sum(interval.low <= 0 <= interval.high for interval in found) / studies


@pytest.mark.slow
@pytest.mark.parametrize("luck", [0.0, 0.7, 1.4])
@pytest.mark.parametrize(("targets", "seeds"), [(2, 3), (6, 5), (16, 3)])
def test_the_mean_over_targets_covers_whatever_luck_their_rows_share(luck: float, targets: int, seeds: int) -> None:
    assert covered(luck, targets, seeds) >= 0.93


@pytest.mark.slow
def test_targets_alone_cover_too_little_where_they_share_luck() -> None:
    assert covered(1.4, 16, 3, shared=False) < 0.85


def test_a_shared_row_widens_the_mean_by_its_variance() -> None:
    """Two-way analysis of variance: no residual is left, and the rows are all that varies."""
    rows = np.array([0.01, 0.03, 0.05]) + np.zeros((4, 1))
    differences = {str(name): target(0.03, 0.0, 0.5) for name in range(4)}
    found = across(differences, 0.01, {str(name): row for name, row in enumerate(rows)}).mean
    expected = stats.ttest_1samp(rows[0], 0)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert found.p == pytest.approx(expected.pvalue)


def test_a_row_that_a_target_lacks_is_left_out_of_what_they_share() -> None:
    rows = {"one": np.array([0.01, np.nan, 0.05]), "two": np.array([0.01, 0.03, 0.05])}
    fewer = {name: row[[0, 2]] for name, row in rows.items()}
    differences = {name: target(0.03, 0.01, 0.5) for name in rows}
    assert across(differences, 0.01, rows).mean == across(differences, 0.01, fewer).mean


def test_no_target_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one target"):
        across({}, margin=0.01)


def false_claims(seeds: int, studies: int) -> int:
    """Studies of six targets without any difference in which one or more is won or lost."""
    generator = np.random.default_rng([seeds, 6])
    count = 0
    for _ in range(studies):
        differences = {}
        for name in "abcdef":
            one, two = simulate.crossed(np.array([0.8, 0.8]), seeds, 200, generator, (0.1, 1.0, 0.1, 0.3))
            differences[name] = replicate((one - two)[None], replicates=1000).interval(lambda means: means[..., 0])
        found = across(differences, margin=0.001)
        count += bool(found.wins or found.losses)
    return count


def test_a_study_of_six_targets_rarely_claims_anything_false() -> None:
    assert false_claims(3, studies=200) <= stats.binom.ppf(0.999, 200, 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_a_study_of_six_targets_rarely_claims_anything_false_thoroughly(seeds: int) -> None:
    assert false_claims(seeds, studies=2000) <= stats.binom.ppf(0.999, 2000, 0.05)
