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


def test_no_difference_at_all_is_no_direction() -> None:
    found = across({"one": target(0.0, 0.0, 1.0), "two": target(0.0, 0.0, 1.0)}, margin=0.01)
    assert (found.ahead, found.behind, found.sign_p, found.mean.p) == (0, 0, 1.0, 1.0)
    assert found.ties == ("one", "two")


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
