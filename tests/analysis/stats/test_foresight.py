"""Simulated studies against what must hold without noise or without a difference, and a formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.foresight import foresee, smallest_difference
from hpt_ray.analysis.stats.sequential import Noise


def test_a_large_difference_is_shown_early_and_none_seldom() -> None:
    clear, none = (foresee(difference, Noise(0.1, 1.0), 0.5, studies=400) for difference in (8.0, 0.0))
    assert clear.differs == 1.0 and clear.rows.mean() < 5
    assert none.differs < 0.08 and none.rows.mean() < 12


def test_arms_that_are_alike_are_equivalent_where_the_noise_allows_it() -> None:
    assert foresee(0.0, Noise(0.0, 0.05), 1.0, studies=200).equivalent > 0.98
    assert foresee(0.0, Noise(1.0, 0.05), 1.0, studies=200).equivalent == 0.0


def test_no_study_has_more_rows_than_there_may_be() -> None:
    rows = foresee(1.0, Noise(0.1, 9.0), 0.1, most=8, studies=200).rows
    assert set(np.unique(rows)) <= {3, 5, 8}


def test_the_smallest_difference_has_the_power_that_is_promised() -> None:
    """Against the normal's tail: what a test set shows of a difference that many rows leave no doubt about."""
    found, error = smallest_difference(Noise(4.0, 1.0)), 2.0
    assert stats.norm.sf(1.959964 - found / error) == pytest.approx(0.8, abs=1e-6)
