"""Power: how many seeds would settle a difference that the seeds there are leave open.

The interval of a mean difference over n seeds has the squared half-width t(n - 1)^2 Vs / n + z^2 Ve (bootstrap.py):
Vs is the variance between seeds, chance in single answers included, and Ve that of the test sample, which more seeds
do not reduce. If the true difference and both variances are those seen, the estimate is normal and Vs is estimated as
a scaled chi-square, over which the chance to exclude zero is averaged; with Ve = 0 that is the noncentral t's power.
A difference of zero will never exclude zero: of it the question is when the interval will lie within a margin.

The number is as uncertain as the study it comes from: of three seeds, Vs is known to a factor of several. So it is a
range: the numbers at the ends of the 80 % interval of Vs, which is chi-square's. Where several claims are judged
together, the rate at which the interval may err is Holm's.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING
from hpt_ray.analysis.stats.groups import number, widening
from hpt_ray.analysis.stats.variance import sources

#: A test set is not likely to grow by more than this.
LIKELY = 20

#: The chance that the seeds that are said to be needed settle a claim.
POWER = 0.8

#: Midpoints of equally likely slices of the chi-square.
SLICES = (np.arange(400) + 0.5) / 400


@dataclass(frozen=True)
class Needed:
    """The number of seeds that is needed, those there are included; None with the ``reason`` why there is no number.

    It lies from ``least`` to ``most`` in 80 % of studies, by what the variance between seeds may be; None: beyond the
    limit. ``power`` is the chance that so many settle it.
    """

    seeds: int | None
    reason: str
    least: int = 2
    most: int | None = None
    power: float = POWER


def seeds_needed(values: np.ndarray, power: float = POWER, limit: int = 1000, rate: float = 1 - LEVEL) -> Needed:
    """Seeds at which the interval of a difference [seeds, examples] would exclude zero with ``power``.

    A row of NaN is a seed without a result. More than ``limit`` seeds are not counted. ``rate`` is how often the
    interval may err, less than 5 % where several claims are judged together.

    Raises:
        ValueError: if there is no complete seed.
    """
    difference = abs(float(_complete(values).mean()))
    # With any number of seeds the test sample remains: the estimate must lie this many of its errors above zero.
    away = float(special.ndtri(1 - rate / 2) + special.ndtri(power))
    return _needed(values, difference, away, functools.partial(chance, difference=difference, rate=rate), power, limit)


def seeds_equivalent(values: np.ndarray, margin: float, power: float = POWER, limit: int = 1000) -> Needed:
    """Seeds at which the 95 % interval of a difference [seeds, examples] would lie within +-``margin`` with ``power``.

    That is, if there is truly none. See ``seeds_needed``, also for what is raised.
    """
    # The estimate may lie on either side of zero, which leaves half of 1 - power to each.
    away = float(special.ndtri((1 + LEVEL) / 2) + special.ndtri((1 + power) / 2))
    return _needed(values, margin, away, functools.partial(chance_within, margin=margin), power, limit)


def smallest_margin(values: np.ndarray) -> float | None:
    """The smallest margin that the test sample of a difference [seeds, examples] can show, whatever the seeds.

    It is what is left of half the interval with ever more seeds. None of fewer than two examples.
    """
    if values.shape[1] < 2:
        return None
    values = _complete(values)
    error = sources(values[:, None]).test * widening(number(values), LEVEL)
    return max(float(special.ndtri((1 + LEVEL) / 2)) * error, float(exact.reach(values).max()))


def _needed(
    values: np.ndarray, aim: float, away: float, reached: Callable[..., float], power: float, limit: int
) -> Needed:
    """Seeds at which a chance is ``power``, by bisection.

    Args:
        aim: the share that the errors are held against; ``away``: how many errors of the test sample must fit in it.
        reached: the chance, given ``seeds``, ``between`` and ``test`` as in ``chance``.
    """
    values = _complete(values)
    if len(values) == 1:
        return Needed(None, "one seed does not show how much seeds differ")
    if aim < NOTHING:
        return Needed(None, "the difference seen is zero")
    between, test = _variation(values)
    if aim <= away * test:
        larger = (away * test / aim) ** 2
        what = "test images" if number(values) is None else "groups of test images"
        images = f"more than {math.ceil(larger * values.shape[1]):,} {what}"
        if larger > LIKELY:
            return Needed(None, f"no number of seeds is enough, and hardly any test set: {images} are needed")
        times = math.ceil(10 * larger) / 10
        return Needed(None, f"no number of seeds is enough: {images} are needed, {times:g} times as many as there are")
    seen = _fewest(functools.partial(reached, between=between, test=test), power, limit)
    if seen is None:
        return Needed(None, f"more than {limit} seeds are needed")
    degrees = len(values) - 1
    ends = [between * degrees / float(stats.chi2.ppf(tail, degrees)) for tail in (0.9, 0.1)]
    least, most = (_fewest(functools.partial(reached, between=end, test=test), power, limit) for end in ends)
    return Needed(seen, "", least or seen, most, power)


def _variation(values: np.ndarray) -> tuple[float, float]:
    """The variance of a seed's difference and the standard deviation that the test sample gives, of [seeds, examples].

    Of one value a seed, and not one an example, nothing is seen of the test sample, and what is needed leaves it out.
    """
    if values.shape[1] == 1:
        return float(values.var(ddof=1)), 0.0
    parts = sources(values[:, None])
    assert parts.seed is not None  # there are several seeds
    return len(values) * (parts.seed**2 + parts.rest**2), parts.test * widening(number(values), LEVEL)


def _fewest(reached: Callable[[int], float], power: float, limit: int) -> int | None:
    """The fewest seeds with which a chance is ``power``; None where ``limit`` of them are too few."""
    if reached(limit) < power:
        return None
    few, enough = 1, limit
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if reached(middle) >= power else (middle, enough)
    return enough


def _complete(values: np.ndarray) -> np.ndarray:
    complete: np.ndarray = values[~np.isnan(values).any(axis=1)]
    return complete


def chance(seeds: int, difference: float, between: float, test: float, rate: float = 1 - LEVEL) -> float:
    """The chance that the interval over ``seeds`` seeds (two or more) excludes zero, in either direction.

    ``between`` is the variance of a seed's difference, ``test`` the standard deviation that the test sample gives; the
    interval errs at ``rate``.
    """
    half, error = _half_widths(seeds, between, test, rate), math.sqrt(between / seeds + test**2)
    if error < NOTHING:
        return float(difference > 0)
    beyond = special.ndtr((difference - half) / error) + special.ndtr((-difference - half) / error)
    return float(np.mean(beyond))


def chance_within(seeds: int, margin: float, between: float, test: float) -> float:
    """The chance that the interval lies within +-``margin`` where there is no difference; see ``chance``."""
    room, error = margin - _half_widths(seeds, between, test, 1 - LEVEL), math.sqrt(between / seeds + test**2)
    if error < NOTHING:
        return float(margin > 0)
    return float(np.mean(np.maximum(0.0, 2 * special.ndtr(room / error) - 1)))


def _half_widths(seeds: int, between: float, test: float, rate: float) -> np.ndarray:
    """Half the width of the interval that errs at ``rate``, in each slice of what ``between`` may be seen as."""
    drawn = stats.chi2.ppf(SLICES, seeds - 1) / (seeds - 1)
    seen = stats.t.ppf(1 - rate / 2, seeds - 1) ** 2 * between * drawn / seeds
    half: np.ndarray = np.sqrt(seen + (special.ndtri(1 - rate / 2) * test) ** 2)
    return half
