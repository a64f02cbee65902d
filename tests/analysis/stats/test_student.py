"""Student's and Welch's intervals, against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats import student

MINE, OTHERS = np.array([0.81, 0.84, 0.79, 0.86]), np.array([0.78, 0.80, 0.79])


def test_paired_seeds_have_students_interval() -> None:
    found = student.mean(MINE - MINE.mean() + 0.03)
    error = MINE.std(ddof=1) / 2
    assert found is not None
    assert (found.estimate, found.seeds) == (pytest.approx(0.03), 4)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 3) * error)
    assert found.p == pytest.approx(2 * stats.t.sf(0.03 / error, 3))


def test_seeds_that_are_not_paired_have_welchs() -> None:
    found = student.difference(MINE, OTHERS)
    parts = MINE.var(ddof=1) / 4, OTHERS.var(ddof=1) / 3
    degrees = sum(parts) ** 2 / (parts[0] ** 2 / 3 + parts[1] ** 2 / 2)
    half = stats.t.ppf(0.975, degrees) * np.sqrt(sum(parts))
    assert found is not None
    assert (found.low, found.high) == pytest.approx((MINE.mean() - OTHERS.mean()) + np.array([-half, half]))
    assert found.seeds == 3


def test_one_value_says_nothing_and_values_that_are_alike_are_certain() -> None:
    assert student.mean([0.5]) is None and student.difference(MINE, OTHERS[:1]) is None
    alike, none = student.mean([0.02, 0.02]), student.difference(np.ones(2), np.ones(2))
    assert alike is not None and none is not None
    assert (alike.low, alike.high, alike.p) == (0.02, 0.02, 0.0)
    assert (none.low, none.high, none.p) == (0.0, 0.0, 1.0)


def test_an_interval_ends_where_there_can_be_no_more() -> None:
    found = student.mean([0.9, 0.1], most=1.0)
    assert found is not None and (found.low, found.high) == (-1.0, 1.0)
