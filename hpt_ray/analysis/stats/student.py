"""Intervals of means of which one value a seed is known, and nothing of single test examples.

They are Student's: over the differences of paired seeds, or of two arms whose seeds are not paired, Welch's (1947). The
seeds are the only sample, so they are about these very test examples: taken as a claim about new ones, a paired t-test
over seeds alone was measured to err in 12 to 37 % of studies in which nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval


def mean(values: Sequence[float] | np.ndarray, most: float = math.inf) -> Interval | None:
    """The mean of values [n], such as the differences of paired seeds, with Student's interval; None of fewer than two.

    Args:
        most: the largest absolute value that there is, at which the interval is cut.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return None
    estimate = float(values.mean())
    if np.ptp(values) == 0:  # all alike: the test divides by zero
        return Interval(estimate, estimate, estimate, len(values), float(estimate == 0))
    test = stats.ttest_1samp(values, 0.0)
    return _interval(estimate, test, len(values), most)


def difference(mine: np.ndarray, others: np.ndarray, most: float = math.inf) -> Interval | None:
    """The mean of ``mine`` minus that of ``others``, whose values are not paired; None where either has less than two.

    Args:
        most: as in ``mean``.
    """
    if min(len(mine), len(others)) < 2:
        return None
    estimate, fewest = float(np.mean(mine) - np.mean(others)), min(len(mine), len(others))
    if np.ptp(mine) == 0 and np.ptp(others) == 0:
        return Interval(estimate, estimate, estimate, fewest, float(estimate == 0))
    return _interval(estimate, stats.ttest_ind(mine, others, equal_var=False), fewest, most)


def _interval(estimate: float, test: Any, seeds: int, most: float) -> Interval:
    low, high = test.confidence_interval(LEVEL)
    return Interval(estimate, max(float(low), -most), min(float(high), most), seeds, float(test.pvalue))
