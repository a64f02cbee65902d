"""Student's and Welch's intervals, against those of scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats import student

MINE, OTHERS = np.array([0.81, 0.84, 0.79, 0.86]), np.array([0.78, 0.80, 0.79])


def test_paired_seeds_have_students_interval() -> None:
    found = student.mean(MINE - MINE.mean() + 0.03)
    expected = stats.ttest_1samp(MINE - MINE.mean() + 0.03, 0)
    assert found is not None
    assert (found.estimate, found.seeds) == (pytest.approx(0.03), 4)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert found.p == pytest.approx(expected.pvalue)


def test_seeds_that_are_not_paired_have_welchs() -> None:
    found = student.difference(MINE, OTHERS)
    expected = stats.ttest_ind(MINE, OTHERS, equal_var=False)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert (found.p, found.seeds) == (pytest.approx(expected.pvalue), 3)


def test_values_that_show_no_luck_say_nothing() -> None:
    assert student.mean([0.5]) is None and student.difference(MINE, OTHERS[:1]) is None
    assert student.mean([0.8 - 0.7, 0.9 - 0.8]) is None and student.difference(np.ones(2), np.zeros(2)) is None
    assert student.difference(MINE, np.ones(2)) is not None


def test_an_interval_ends_where_there_can_be_no_more() -> None:
    found = student.mean([0.9, 0.1], most=1.0)
    assert found is not None and (found.low, found.high) == (-1.0, 1.0)


def test_values_whose_squares_are_lost_show_nothing() -> None:
    assert student.mean([1e-200, 2e-200, 3e-200]) is None
