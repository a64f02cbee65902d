"""Test images in groups: the slices of a patient are alike, so what is said about them rests on the number of patients.

Of G groups with N images in all, with the scores x and n_g images in group g, the groups' totals

    v_g = c + G / N * sum of (x - c) over group g

have the mean of the scores over images as their mean, and stand where single images' scores do: whatever resamples,
counts or compares the columns of an array then does so with groups. That is the cluster bootstrap (Davison and Hinkley
1997, section 3.8), whose variance of a mean is that of cluster sampling (Cochran 1977, eq. 9.5 and 9A). The constant c
is near the mean of all scores, so that groups of unequal size add no variance of their own, as in the linearised
estimator of a ratio (Cochran 1977, section 9A.1); it drops out of every difference.

A few groups say less than as many images: their variance is estimated with G - 1 degrees of freedom, and takes
Student's quantile (Cameron, Gelbach and Miller 2008, who find the normal's too small below some 30 groups).

Measured on simulated answers to 300 images in 6 to 40 groups of unequal size, of which each arm is better at some, with
1, 3 and 5 seeds (by its tests; 1,000 studies each): the interval of a difference covers 94 to 99 %, and over single
images 34 to 90 %.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special


class Grouped(np.ndarray[Any, np.dtype[np.float64]]):
    """Scores [..., groups], totals of groups and not scores of single images.

    The type says what a column is, in every array that is computed from such ones. So nothing between the scores and
    an interval has to pass that on, and none can forget it.
    """

    __array_priority__ = 1.0  # above an array's, so that several that are joined stay of this type


def totals(scores: np.ndarray, units: np.ndarray | None, centre: float) -> np.ndarray:
    """The totals v of each group from scores [..., images]; the scores themselves where ``units`` is None.

    Args:
        units: int [images], the number of each image's group.
        centre: c above.
    """
    if units is None:
        return scores
    order = np.argsort(units, kind="stable")
    starts = np.unique(units[order], return_index=True)[1]
    sums = np.add.reduceat(scores[..., order] - centre, starts, axis=-1)
    by_group: np.ndarray = centre + sums * (len(starts) / len(units))
    return by_group.view(Grouped)


def number(values: np.ndarray) -> int | None:
    """How many groups the columns of ``values`` are; None where they are images."""
    return values.shape[-1] if isinstance(values, Grouped) else None


def widening(groups: int | None, level: float) -> float:
    """How much wider an interval is that rests on so many groups than the normal's of a plug-in variance; 1 of images.

    Of a single group nothing is seen of how much groups differ: only exact bounds are left.
    """
    if groups is None or groups < 2:
        return 1.0
    tail = (1 + level) / 2
    return math.sqrt(groups / (groups - 1)) * float(special.stdtrit(groups - 1, tail) / special.ndtri(tail))


def quantile(groups: int | None, tail: float) -> float:
    """The lower quantile at ``tail`` of an estimate that rests on so many groups: Student's; of images the normal's."""
    if groups is None or groups < 2:
        return float(special.ndtri(tail))
    return float(special.stdtrit(groups - 1, tail))
