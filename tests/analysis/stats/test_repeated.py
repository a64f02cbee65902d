"""An interval at a look against Student's formula for rows alone, and its p-value against its own ends."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.stats.repeated import noise_of, repeated
from hpt_ray.analysis.stats.sequential import LOOKS, level

ROWS = np.array([0.10, 0.02, 0.06, 0.08, 0.05])


def of_rows(values: np.ndarray) -> Interval:
    """The interval of a mean over rows of which every example has the same value: of the rows' noise alone."""
    answers = np.repeat(values[:, None], 400, axis=1)
    return replicate(answers[None], signed=True).interval(operator.itemgetter((..., 0)))


def test_the_noise_of_rows_alone_is_their_variance() -> None:
    found = noise_of(of_rows(ROWS))
    assert found.test == pytest.approx(0.0, abs=1e-9)
    assert found.row == pytest.approx(ROWS.var(ddof=1), rel=0.2)  # of 2,000 draws


def test_the_noise_of_a_test_sample_alone_is_its_variance() -> None:
    answers = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], size=(1, 800))
    found = noise_of(mean(answers))  # type: ignore[arg-type]  # there is one
    assert found.row == pytest.approx(0.0, abs=1e-12)
    assert found.test == pytest.approx(answers.var() / 800, rel=0.1)


def test_a_repeated_interval_is_students_at_the_level_of_the_look() -> None:
    at_one_look = of_rows(ROWS)
    found, rate = repeated(at_one_look, LOOKS[:2], 24), level(LOOKS[:2], noise_of(at_one_look))
    half = stats.t.isf(rate / 2, 4) * ROWS.std(ddof=1) / np.sqrt(5)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.1)
    assert found.estimate == at_one_look.estimate


def test_a_repeated_interval_excludes_zero_where_its_p_value_is_below_five_per_cent() -> None:
    generator = np.random.default_rng(1)
    decisions = set()
    for _ in range(60):
        answers = generator.normal(0.04, 0.02, (5, 1)) + generator.choice([-1.0, 0.0, 1.0], (5, 300), p=[0.1, 0.8, 0.1])
        at_one_look = mean(answers)
        assert at_one_look is not None
        found = repeated(at_one_look, LOOKS[:2], 24)
        excludes = found.low > 0 or found.high < 0
        decisions.add(excludes)
        assert excludes == (found.p < 0.05)
        assert found.high - found.low > at_one_look.high - at_one_look.low
    assert decisions == {True, False}


def test_where_it_is_not_known_what_a_width_is_made_of_it_is_the_seeds() -> None:
    found = noise_of(Interval(0.0, -0.1, 0.1, 4))
    assert found.test == 0.0
    assert found.row == pytest.approx(4 * (0.1 / stats.t.isf(0.025, 3)) ** 2)
