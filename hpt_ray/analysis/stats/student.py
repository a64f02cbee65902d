"""Intervals of means of which one value a seed is known, and nothing of single test examples.

They are Student's: over the differences of paired seeds, or of two arms whose seeds are not paired, Welch's (1947). The
seeds are the only sample, so they are about these very test examples: taken as a claim about new ones, a paired t-test
over seeds alone was measured to err in 12 to 37 % of studies in which nothing differs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval

#: Values that differ by less, as a share of their size, are alike up to rounding.
ALIKE = 1e-9


def mean(values: Sequence[float] | np.ndarray, most: float = math.inf) -> Interval | None:
    """The mean of values [n], such as the differences of paired seeds, with Student's interval.

    None of fewer than two, or where all are alike: they show nothing of luck.

    Args:
        most: the largest absolute value that there is, at which the interval is cut.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2 or _alike(values):
        return None
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return _interval(float(values.mean()), error, len(values) - 1, len(values), most)


def difference(mine: np.ndarray, others: np.ndarray, most: float = math.inf) -> Interval | None:
    """The mean of ``mine`` minus that of ``others``, whose values are not paired, with Welch's interval.

    None where either has fewer than two, or both are alike each.

    Args:
        most: as in ``mean``.
    """
    if min(len(mine), len(others)) < 2 or (_alike(mine) and _alike(others)):
        return None
    parts = [float(values.var(ddof=1)) / len(values) for values in (mine, others)]
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(values) - 1) for part, values in zip(parts, (mine, others), strict=True)
    )
    estimate, fewest = float(np.mean(mine) - np.mean(others)), min(len(mine), len(others))
    return _interval(estimate, math.sqrt(sum(parts)), freedom, fewest, most)


def _alike(values: np.ndarray) -> bool:
    return bool(np.ptp(values) <= ALIKE * np.abs(values).max())


def _interval(estimate: float, error: float, freedom: float, seeds: int, most: float) -> Interval | None:
    if not error:  # of values so small that their squares are lost
        return None
    half = float(special.stdtrit(freedom, (1 + LEVEL) / 2)) * error
    p = 2 * float(special.stdtr(freedom, -abs(estimate) / error))
    return Interval(estimate, max(estimate - half, -most), min(estimate + half, most), seeds, p)
