"""The difference of two arms in their worst change, whichever levels are truly the worst ones.

With the level that came out worst taken as given, the noisier of two arms has the lower worst change by chance, most of
all where levels tie. So a bound is one for every level: an arm's worst change is above another's by at least x where,
for some level of the other, each of the arm's changes is above that level's by x. Of the arm's changes each must be
(an intersection-union test; Berger 1982); of the other's levels one is picked, for which the error rate is divided by
how many they are (Bonferroni). Interval and p-value hold at ties, and are conservative where one level is clear.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval, Width, replicate


def worst_difference(first: np.ndarray, second: np.ndarray, *, most: float = 1.0) -> Interval:
    """The lowest mean of ``first`` minus that of ``second``, both [levels, seeds, examples] with the same levels.

    Args:
        most: the largest difference between the two that one example can have, as in ``exact.bounds``.
    """
    levels = len(first)
    replicates = dataclasses.replace(replicate(np.concatenate([first, second])), limits=(-most, most))
    low, high, above = (np.empty((levels, levels)) for _ in range(3))
    widths: dict[tuple[int, int], Width | None] = {}
    for own in range(levels):
        for other in range(levels):

            def apart(means: np.ndarray, own: int = own, other: int = levels + other) -> np.ndarray:
                difference: np.ndarray = means[..., own] - means[..., other]
                return difference

            reach = exact.reach(first[own] - second[other], most=most)
            pair = replicates.interval(apart, [own, levels + other], reach, (1 - LEVEL) / levels)
            low[own, other], high[own, other] = pair.low, pair.high
            widths[own, other] = pair.width
            above[own, other] = pair.p / 2 if pair.estimate > 0 else 1 - pair.p / 2
    lowest = int(replicates.estimate[:levels].argmin()), int(replicates.estimate[levels:].argmin())
    estimate = float(replicates.estimate[lowest[0]] - replicates.estimate[levels + lowest[1]])
    better = levels * float(above.max(axis=0).min())
    worse = levels * float((1 - above).max(axis=1).min())
    bottom, top = min(float(low.min(axis=0).max()), estimate), max(float(high.max(axis=1).min()), estimate)
    # Both bounds are of pairs near the lowest ones, whose interval has about the same share of the seeds.
    return Interval(estimate, bottom, top, int(replicates.seeds.min()), min(1.0, 2 * better, 2 * worse), widths[lowest])
