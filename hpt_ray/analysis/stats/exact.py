"""Exact bounds where few answers differ, and a bootstrap has hardly any width, or none.

Of n test images, all answered alike by both arms, a bootstrap says that nothing differs, and with certainty. But up to
1 - 0.025^(1/n) of all images may be answered differently (Clopper and Pearson 1934): 84 % where n is 2, 0.5 % where it
is 800. Images are what is counted, not images times seeds: the seeds are tested on the same ones.

Of images in groups the groups are counted, as if all images of one were answered alike: the design effect at an
intra-group correlation of 1 (Kish 1965, section 5.4), which leaves as many independent answers as there are groups. An
effective sample size in the place of the sample's is Korn and Graubard's (1998); but where few answers differ the
correlation cannot be estimated, and so the largest is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.groups import Grouped

#: Images with another answer than most, below which the bootstrap's interval is held against the exact one. From there
#: on it is the wider of both: with 6 of n it reaches 4.8 / n to each side, and the exact bound of none 3.7 / n.
FEW = 6
TAIL = 0.025
#: An answer, or the mean of up to six repeats of it, is a multiple of this. Other values (of an AUROC) are not counted.
STEP = 1 / 60
#: Means closer than this are the same up to rounding.
NOTHING = 1e-9


def share(count: float, of: int) -> tuple[float, float]:
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
    complete = values[~np.isnan(values).any(axis=1)]
    if not complete.size:
        return None
    if isinstance(complete, Grouped):
        return _of_groups(np.asarray(complete).mean(axis=0), signed, most)
    if not np.allclose(complete / STEP, np.round(complete / STEP), rtol=0, atol=1e-6):
        return None
    means = complete.mean(axis=0)
    n = len(means)
    if n - max((np.abs(means - value) < NOTHING).sum() for value in (-1, 0, 1)) >= FEW:
        return None
    if not signed:
        # What is right at some of the seeds counts as both: right for the upper bound, wrong for the lower.
        return share(int((means > 1 - NOTHING).sum()), n)[0], share(int((means > NOTHING).sum()), n)[1]
    return _signed(int((means > NOTHING).sum()), int((means < -NOTHING).sum()), n, most)


def _of_groups(means: np.ndarray, signed: bool, most: float) -> tuple[float, float] | None:
    """Bounds from groups' totals, where few of them are unlike the others: so of less than ``FEW`` groups always."""
    number = len(means)
    if not signed:
        extreme = {0: means.mean() < NOTHING, number: means.mean() > 1 - NOTHING}
        return next((share(count, number) for count, is_so in extreme.items() if is_so), None)
    _, alike = np.unique((means / NOTHING).round(), return_counts=True)
    if number - alike.max() >= FEW:
        return None
    return _signed(int((means > NOTHING).sum()), int((means < -NOTHING).sum()), number, most)


def _signed(more: float, fewer: float, of: int, most: float) -> tuple[float, float]:
    """Bounds of a difference that is positive for ``more`` examples and negative for ``fewer``."""
    above, below = share(more, of), share(fewer, of)
    return most * (above[0] - below[1]), most * (above[1] - below[0])


@dataclass(frozen=True)
class Enough:
    """Of ``images`` test images two sides differ on ``differ``, too few to tell; ``needed`` would be enough.

    That is, if as large a share of them differs: of none, so many show that the true difference is within the margin.
    ``grouped``: all three are numbers of groups of test images.
    """

    differ: int
    images: int
    needed: int
    grouped: bool = False


def enough(values: np.ndarray, margin: float, most: float = 1.0) -> Enough | None:
    """How many test images it takes until the bounds of a difference exclude zero or lie within +- ``margin``.

    None where the bounds of ``values`` [seeds, examples] do, or a bootstrap can tell; ``most`` is as in ``bounds``.
    """
    if bounds(values, signed=True, most=most) is None:
        return None
    means = values[~np.isnan(values).any(axis=1)].mean(axis=0)
    n, more, fewer = len(means), int((means > NOTHING).sum()), int((means < -NOTHING).sum())

    def settled(images: int) -> bool:
        low, high = _signed(more * images / n, fewer * images / n, images, most)
        return low > 0 or high < 0 or (-margin < low and high < margin)

    if settled(n):
        return None
    few, many = n, 2 * n
    while not settled(many):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if settled(middle) else (middle, many)
    return Enough(more + fewer, n, many, isinstance(values, Grouped))


def reach(values: np.ndarray, signed: bool = True, most: float = 1.0) -> np.ndarray:
    """How far below and above the mean of ``values`` the bounds lie, [2]; zeros where a bootstrap can tell."""
    ends = bounds(values, signed, most)
    if ends is None:
        return np.zeros(2)
    mean = float(np.nanmean(values[~np.isnan(values).any(axis=1)]))
    least: np.ndarray = np.maximum(0.0, np.array([mean - ends[0], ends[1] - mean]))
    return least
