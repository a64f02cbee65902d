"""The luck of a difference as it is seen at all levels of a factor, for its interval at one of them.

Two arms are pretrained at L levels with the same S seeds, and the difference d[l, s], a mean over the test images, has
luck of a seed (its base, its subset), which all levels share, and luck of its own: a split plot, seeds being the whole
plots. Its variance at one level is

    V = (W + (L - 1) I) / L

where W is L times the variance of the seeds' means over the levels, with S - 1 degrees of freedom, and I the mean
square of the interaction of levels and seeds, with (L - 1) (S - 1). V is the mean of the levels' own variances, and has
Satterthwaite's degrees of freedom (1946), so many more than the S - 1 of one level as luck is each pretraining's own:
of three seeds at five levels up to ten, for which Student's quantile is 2.2 and not 4.3.

Luck is taken to be as large at every level. Where it is not, the interval is too narrow at the level with the most;
``studies/README.md`` has its measured coverage.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval, p_value

#: Of two seeds the interval has a floor that more degrees of freedom do not lift (see fixed_weights.py).
FEWEST = 3


def pooled(interval: Interval, at_levels: np.ndarray, reach: float = 0.0) -> Interval:
    """The interval of a mean difference at one level, with the luck that is seen at all of them.

    Args:
        interval: that from the one level alone.
        at_levels: [levels, seeds], the difference at every level; NaN where a pretraining has no result.
        reach: how far it goes at least to either side, where few answers differ.

    Returns:
        The interval unchanged where there are fewer than two levels with the same three seeds.
    """
    at_levels, width = _complete(at_levels), interval.width
    if width is None or not len(at_levels) or at_levels.shape[1] != interval.seeds:
        return interval
    variance, degrees = seed_variance(at_levels)
    half, centre = (interval.high - interval.low) / 2, (interval.high + interval.low) / 2
    luck = float(special.stdtrit(degrees, (1 + LEVEL) / 2)) ** 2 * variance / interval.seeds
    square = luck + (1 - width.share) * half**2
    made_of = replace(width, share=luck / square if square > 0 else 0.0, degrees=degrees)
    half = max(math.sqrt(square), reach)
    low, high = (min(max(end, width.limits[0]), width.limits[1]) for end in (centre - half, centre + half))
    p = p_value(low, high, made_of.share, degrees, width.groups)
    return replace(interval, low=low, high=high, p=p, width=made_of)


def with_luck(values: np.ndarray, at_levels: np.ndarray) -> np.ndarray:
    """Differences [seeds, examples] at one level, whose means over examples vary as much as all levels say.

    Args:
        at_levels: as in ``pooled``, and the values unchanged where that leaves an interval unchanged.
    """
    own, complete = values.mean(axis=1), _complete(at_levels)
    seen = float(np.nanvar(own, ddof=1)) if len(complete) else 0.0
    if not seen:
        return values
    times = math.sqrt(seed_variance(complete)[0] / seen)
    luck: np.ndarray = values + (times - 1) * (own - np.nanmean(own))[:, None]
    return luck


def _complete(at_levels: np.ndarray) -> np.ndarray:
    """The levels with a result of every seed that any has; none of fewer than two, or of fewer than three seeds."""
    at_levels = at_levels[:, ~np.isnan(at_levels).all(axis=0)]
    complete: np.ndarray = at_levels[~np.isnan(at_levels).any(axis=1)]
    return complete if len(complete) > 1 and complete.shape[1] >= FEWEST else complete[:0]


def seed_variance(at_levels: np.ndarray) -> tuple[float, float]:
    """V and its degrees of freedom, of differences [levels, seeds]."""
    levels, seeds = at_levels.shape
    own = at_levels - at_levels.mean(axis=1, keepdims=True)
    whole = levels * float(own.mean(axis=0).var(ddof=1))
    interaction = float(((own - own.mean(axis=0)) ** 2).sum()) / ((levels - 1) * (seeds - 1))
    parts = whole / levels, (levels - 1) * interaction / levels
    errors = parts[0] ** 2 / (seeds - 1) + parts[1] ** 2 / ((levels - 1) * (seeds - 1))
    variance = sum(parts)
    return variance, variance**2 / errors if errors > 0 else float(seeds - 1)
