"""Power: how many seeds would settle a difference that the seeds there are leave open.

The interval of a mean difference over n seeds has the squared half-width t(n - 1)^2 Vs / n + z^2 Ve (bootstrap.py):
Vs is the variance between seeds, chance in single answers included, and Ve that of the test sample, which more seeds
do not reduce. If the true difference and both variances are those seen, the estimate is normal and Vs is estimated as
a scaled chi-square, over which the chance to exclude zero is averaged; with Ve = 0 that is the noncentral t's power.

The number is as uncertain as the study it comes from: of three seeds, Vs is known to a factor of several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING
from hpt_ray.analysis.stats.variance import sources

#: A test set is not likely to grow by more than this.
LIKELY = 20

#: Midpoints of equally likely slices of the chi-square.
SLICES = (np.arange(400) + 0.5) / 400


@dataclass(frozen=True)
class Needed:
    """The number of seeds that is needed, those there are included; None with the ``reason`` why there is no number."""

    seeds: int | None
    reason: str


def seeds_needed(values: np.ndarray, power: float = 0.8, limit: int = 1000) -> Needed:
    """Seeds at which the 95 % interval of a difference [seeds, examples] would exclude zero with ``power``.

    A row of NaN is a seed without a result. More than ``limit`` seeds are not counted.

    Raises:
        ValueError: if there is no complete seed, or fewer than two examples.
    """
    values = values[~np.isnan(values).any(axis=1)]
    found, difference = sources(values[:, None]), abs(float(values.mean()))
    if found.seed is None:
        return Needed(None, "one seed does not show how much seeds differ")
    if difference < NOTHING:
        return Needed(None, "the difference seen is zero")
    between, test = len(values) * (found.seed**2 + found.rest**2), found.test
    # With any number of seeds the test sample remains: the estimate must lie this many of its errors above zero.
    away = float(special.ndtri((1 + LEVEL) / 2) + special.ndtri(power))
    if difference <= away * test:
        larger = (away * test / difference) ** 2
        images = f"more than {math.ceil(larger * values.shape[1]):,} test images"
        if larger > LIKELY:
            return Needed(None, f"no number of seeds is enough, and hardly any test set: {images} are needed")
        times = math.ceil(10 * larger) / 10
        return Needed(None, f"no number of seeds is enough: {images} are needed, {times:g} times as many as there are")
    if chance(limit, difference, between, test) < power:
        return Needed(None, f"more than {limit} seeds are needed")
    few, enough = 1, limit
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if chance(middle, difference, between, test) >= power else (middle, enough)
    return Needed(enough, "")


def chance(seeds: int, difference: float, between: float, test: float) -> float:
    """The chance that the interval over ``seeds`` seeds (two or more) excludes zero, in either direction.

    ``between`` is the variance of a seed's difference, ``test`` the standard deviation that the test sample gives.
    """
    drawn = stats.chi2.ppf(SLICES, seeds - 1) / (seeds - 1)
    seen = stats.t.ppf((1 + LEVEL) / 2, seeds - 1) ** 2 * between * drawn / seeds
    half = np.sqrt(seen + (special.ndtri((1 + LEVEL) / 2) * test) ** 2)
    error = math.sqrt(between / seeds + test**2)
    if error < NOTHING:
        return float(difference > 0)
    beyond = special.ndtr((difference - half) / error) + special.ndtr((-difference - half) / error)
    return float(np.mean(beyond))
