"""Exact bounds where few answers differ, and a bootstrap has hardly any width, or none.

Of n test images, all answered alike by both arms, a bootstrap says that nothing differs, and with certainty. But up to
1 - 0.025^(1/n) of all images may be answered differently (Clopper and Pearson 1934): 84 % where n is 2, 0.5 % where it
is 800. Images are what is counted, not images times seeds: the seeds are tested on the same ones.
"""

from __future__ import annotations

import numpy as np
from scipy import special

#: Images with another answer than most, below which the bootstrap's interval is held against the exact one. From there
#: on it is the wider of both: with 6 of n it reaches 4.8 / n to each side, and the exact bound of none 3.7 / n.
FEW = 6
TAIL = 0.025
#: An answer, or the mean of up to six repeats of it, is a multiple of this. Other values (of an AUROC) are not counted.
STEP = 1 / 60
#: Means closer than this are the same up to rounding.
NOTHING = 1e-9


def share(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share after Clopper and Pearson: exact, from the quantiles of the beta distribution."""
    low = 0.0 if count == 0 else float(special.betaincinv(count, of - count + 1, TAIL))
    high = 1.0 if count == of else float(special.betaincinv(count + 1, of - count, 1 - TAIL))
    return low, high


def bounds(values: np.ndarray, signed: bool, most: float = 1.0) -> tuple[float, float] | None:
    """Exact bounds of the mean of ``values`` [seeds, examples], where few differ; None where a bootstrap can tell.

    Args:
        signed: the values are differences of answers, from -1 to 1, and not answers, from 0 to 1. The share of examples
            with a positive difference, and of those with a negative one, are bounded each by itself.
        most: the largest difference that one example can have: 2 of a change's difference between two arms.
    """
    found = values[~np.isnan(values).any(axis=1)]
    if not found.size:
        return None
    if not np.allclose(found / STEP, np.round(found / STEP), rtol=0, atol=1e-6):
        return None
    means = found.mean(axis=0)
    n = len(means)
    if n - max((np.abs(means - value) < NOTHING).sum() for value in (-1, 0, 1)) >= FEW:
        return None
    if not signed:
        # What is right at some of the seeds counts as both: right for the upper bound, wrong for the lower.
        return share(int((means > 1 - NOTHING).sum()), n)[0], share(int((means > NOTHING).sum()), n)[1]
    more, fewer = share(int((means > NOTHING).sum()), n), share(int((means < -NOTHING).sum()), n)
    return most * (more[0] - fewer[1]), most * (more[1] - fewer[0])


def reach(values: np.ndarray, signed: bool = True, most: float = 1.0) -> np.ndarray:
    """How far below and above the mean of ``values`` the bounds lie, [2]; zeros where a bootstrap can tell."""
    found = bounds(values, signed, most)
    if found is None:
        return np.zeros(2)
    mean = float(np.nanmean(values[~np.isnan(values).any(axis=1)]))
    least: np.ndarray = np.maximum(0.0, np.array([mean - found[0], found[1] - mean]))
    return least
