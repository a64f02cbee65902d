"""Levels of looks against a formula and the multivariate normal; the design's error rates against simulated studies."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy import special, stats

from hpt_ray.analysis.stats.foresight import foresee
from hpt_ray.analysis.stats.outlook import outlook
from hpt_ray.analysis.stats.sequential import LOOKS, Noise, level, planned_looks, repeated_p, spent

MARGIN = 1.0


@functools.cache
def levels(noise: Noise, alpha: float = 0.05) -> tuple[float, ...]:
    return tuple(level(LOOKS[: look + 1], noise, alpha) for look in range(len(LOOKS)))


@pytest.mark.parametrize("noise", [Noise(0.0, 1.0), Noise(0.15, 1.0), Noise(2.0, 1.0)])
def test_together_the_looks_spend_what_they_may(noise: Noise) -> None:
    information = np.array([1 / noise.variance(rows) for rows in LOOKS])
    correlation = np.sqrt(np.minimum.outer(information, information) / np.maximum.outer(information, information))
    for looks in (1, 2, 3):
        bounds = -special.ndtri(np.array(levels(noise)[:looks]) / 2)
        normal = stats.multivariate_normal(cov=correlation[:looks, :looks], seed=0, abseps=1e-6, releps=1e-6)
        inside = normal.cdf(bounds, lower_limit=-bounds)
        assert 1 - inside == pytest.approx(spent(LOOKS[looks - 1], 24, 0.05), abs=2e-5)


def test_two_equal_looks_have_the_constants_of_obrien_and_fleming() -> None:
    """Jennison and Turnbull (1999), table 2.3: bounds of 1.977 * sqrt(2) and 1.977 spend 5 % over two looks."""
    first = 2 * special.ndtr(-1.977 * np.sqrt(2))
    # The looks that spend that much first: rows in the ratio at which the spending function has it.
    rows = 24 * (first / 0.05) ** (2 / 3)
    inside = stats.multivariate_normal(cov=[[1, np.sqrt(0.5)], [np.sqrt(0.5), 1]], seed=0).cdf(
        [1.977 * np.sqrt(2), 1.977], lower_limit=[-1.977 * np.sqrt(2), -1.977]
    )
    assert spent(rows, 24, 0.05) == pytest.approx(first)  # type: ignore[arg-type]
    assert 1 - inside == pytest.approx(0.05, abs=2e-4)


def test_one_look_at_the_end_is_no_look_before() -> None:
    assert level([24], Noise(0.2, 1.0)) == pytest.approx(0.05)


def test_looks_of_one_test_set_alone_repeat_each_other() -> None:
    """Where rows add nothing, the level is what was spent so far: no look has a chance of its own."""
    found = levels(Noise(1e6, 1.0))
    assert np.allclose(found, [spent(rows, 24, 0.05) for rows in LOOKS], rtol=0.01)


@pytest.mark.parametrize(
    ("looks", "noise"),
    [([3, 3], Noise(0, 1)), ([5, 3], Noise(0, 1)), ([], Noise(0, 1)), ([3], Noise(0, 0)), ([3], Noise(-1, 2))],
)
def test_what_is_no_design_is_refused(looks: list[int], noise: Noise) -> None:
    with pytest.raises(ValueError, match=r"looks are|variances are"):
        level(looks, noise)


@pytest.mark.parametrize("looks", [(3,), (3, 5), (3, 5, 8), LOOKS])
def test_a_repeated_p_value_is_the_error_rate_at_which_it_is_the_level(looks: tuple[int, ...]) -> None:
    noise = Noise(0.2, 1.0)
    for rate in (0.001, 0.01, 0.05, 0.3):
        assert repeated_p(level(looks, noise, rate), looks, noise) == pytest.approx(rate, rel=1e-3)


def test_a_repeated_p_value_at_the_only_look_is_the_p_value() -> None:
    assert [repeated_p(p, [24], Noise(0.2, 1.0)) for p in (0.003, 0.5)] == pytest.approx([0.003, 0.5], rel=1e-3)
    assert repeated_p(1.0, LOOKS, Noise(0.2, 1.0)) == 1.0
    assert repeated_p(1e-30, LOOKS, Noise(0.2, 1.0)) <= 1e-8


def test_the_looks_end_where_the_rows_do() -> None:
    assert [planned_looks(most) for most in (3, 4, 8, 24, 30)] == [
        (3,), (3, 4), (3, 5, 8), (3, 5, 8, 12, 16, 24), (3, 5, 8, 12, 16, 24, 30)
    ]  # fmt: skip


def test_the_outlook_of_a_clear_difference_and_of_none() -> None:
    last = levels(Noise(0.0, 4.0))[-1]
    assert outlook(3.0, 3, Noise(0.0, 4.0), (last, last), MARGIN).differs > 0.99
    assert outlook(0.0, 12, Noise(0.0, 1.0), (last, last), MARGIN).equivalent > 0.9
    hopeless = outlook(0.2, 8, Noise(9.0, 4.0), (last, last), MARGIN)
    assert hopeless.test_set_too_small
    assert not outlook(0.2, 8, Noise(0.0, 400.0), (last, last), MARGIN).test_set_too_small


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("estimate", "differs", "within"), [(0.0, 0.0, 0.0), (3.0, 1.0, 0.0)])
def test_where_rows_add_no_noise_the_outlook_is_what_is_seen(estimate: float, differs: float, within: float) -> None:
    """The half-width of 1.96 exceeds the margin of 1, and would not if there were more images."""
    seen = outlook(estimate, 3, Noise(np.float64(1.0), np.float64(0.0)), (0.05, 0.05), 1.0)
    assert (seen.differs, seen.equivalent) == (differs, within)
    assert seen.with_more_images == 1.0


def test_the_outlook_is_the_share_of_simulated_continuations() -> None:
    noise, last = Noise(0.3, 6.0), levels(Noise(0.3, 6.0))[-1]
    generator = np.random.default_rng(1)
    truth = 1.0
    test = generator.standard_normal(2_000_000) * np.sqrt(noise.test)
    first, rest = (generator.standard_normal(len(test)) * np.sqrt(noise.row / rows) for rows in (5, 19))
    five, after = truth + test + first, truth + test + (5 * first + 19 * rest) / 24
    seen = abs(five - truth) < 0.02
    half = -special.ndtri(last / 2) * np.sqrt(noise.variance(24))
    assert outlook(truth, 5, noise, (last, last), MARGIN).differs == pytest.approx(
        (abs(after[seen]) > half).mean(), abs=0.01
    )


def p_values(estimate: np.ndarray, row: np.ndarray, test: float, rows: int) -> np.ndarray:
    """Two-sided p-values as bootstrap.py has them: Student's tail for the rows' share, the normal's for the rest."""
    low, high = np.full(estimate.shape, -60.0), np.zeros(estimate.shape)
    for _ in range(50):
        middle = (low + high) / 2
        tail = np.exp(middle) / 2
        reach = special.stdtrit(rows - 1, tail) ** 2 * row / rows + special.ndtri(tail) ** 2 * test
        beyond = reach > estimate**2
        low, high = np.where(beyond, middle, low), np.where(beyond, high, middle)
    return np.exp(high)


@pytest.mark.slow
@pytest.mark.parametrize("tails", [math.inf, 3.0])
@pytest.mark.parametrize("ratio", [0.0, 0.15, 0.45])
def test_false_claims_are_as_rare_as_promised(ratio: float, tails: float) -> None:
    """At most 5.5 %, of 20,000 studies without a difference."""
    found = foresee(0.0, Noise(9.0 * ratio, 9.0), MARGIN, studies=20_000, tails=tails)
    print(f"V/s2 {ratio:g} t{tails:g}: false {found.differs:.2%}, rows {found.rows.mean():.1f}")
    assert found.differs <= 0.055


@pytest.mark.slow
@pytest.mark.parametrize("noise", [Noise(0.0, 1.0), Noise(0.02, 1.0)])
def test_false_equivalence_at_the_margin_is_as_rare_as_promised(noise: Noise) -> None:
    found = foresee(MARGIN, noise, MARGIN, studies=20_000)
    print(f"{noise}: false equivalence {found.equivalent:.2%}")
    assert found.equivalent <= 0.025


@pytest.mark.slow
@pytest.mark.parametrize(("difference", "most"), [(0.0, 8.0), (3.0, 12.0), (5.0, 12.0)])
def test_a_difference_is_found_as_often_as_by_twelve_fixed_rows(difference: float, most: float) -> None:
    """Where twelve rows find 3 points in 80 % of studies; without one, most studies end early."""
    noise = Noise(0.45, 7.2)
    found = foresee(difference, noise, MARGIN, studies=10_000)
    generator = np.random.default_rng(1)
    values = difference + generator.standard_normal((20_000, 1)) * np.sqrt(noise.test)
    values = values + generator.standard_normal((20_000, 12)) * np.sqrt(noise.row)
    fixed = (p_values(values.mean(axis=1), values.var(axis=1, ddof=1), noise.test, 12) < 0.05).mean()
    print(f"+{difference:g}: {found.differs:.1%} with {found.rows.mean():.1f} rows, fixed twelve {fixed:.1%}")
    assert found.rows.mean() <= most
    assert found.differs >= fixed - 0.02
