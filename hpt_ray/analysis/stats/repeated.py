"""An interval at a look: its repeated confidence interval and repeated p-value (Jennison and Turnbull 1989).

An interval's half-width says what its estimate's variance is made of: the seeds' part, of which Student's quantile was
taken, and the test sample's. From these follow the level of the look (see sequential.py) and the interval at that
level. Where it is not known what an interval is made of, all of it is taken for the seeds', whose level is the
smallest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scipy import special

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING, Interval
from hpt_ray.analysis.stats.groups import quantile
from hpt_ray.analysis.stats.sequential import Noise, level, repeated_p


def noise_of(interval: Interval) -> Noise:
    """What the variance of an estimate is made of, in the square of its unit."""
    half, width = (interval.high - interval.low) / 2, interval.made_of
    if half < NOTHING:
        return Noise(0.0, NOTHING)
    tail = (1 - LEVEL) / 2
    row = width.share * half**2 / float(special.stdtrit(width.degrees, tail)) ** 2
    return Noise((1 - width.share) * half**2 / quantile(width.groups, tail) ** 2, row * interval.seeds)


def repeated(interval: Interval, looks: Sequence[int], most: int) -> Interval:
    """The interval and the p-value that hold over all looks together, of an interval that holds at one.

    Args:
        looks: rows at each look so far, this one included; ``most``: at the last that there may be.
    """
    noise = noise_of(interval)
    return replace(interval.at(level(looks, noise, 1 - LEVEL, most)), p=repeated_p(interval.p, looks, noise, most))
