"""How far values vary over the levels of a factor, beyond what chance alone gives them.

The means of an arm at its levels differ because the levels do, and because each was pretrained with luck of its own and
tested on a sample of images. The standard deviation of the means has both, so that the noisier of two arms would seem
to depend more on the levels. Here it is that of the levels alone: the variance of the means minus that which chance
gives them, the analysis-of-variance estimator (Searle, Casella and McCulloch 1992, "Variance Components", chapter 4),
zero where negative.

Intervals are those of the generalized pivotal quantity (Weerahandi 1993, "Generalized confidence intervals"; Hannig,
Iyer and Patterson 2006): the noise is drawn as n f / chi2(f); given it, the levels' own variance is the one at which
the variance that was seen lies at a uniformly drawn quantile. That quantile is of noncentral chi-square for levels that
are what they are, such as the policies of a study, and of chi-square for levels that are themselves a random sample.
The interval reaches zero where the F-test does not reject "the levels do not matter". Two arms are drawn independently:
that they share test images makes the interval of their difference a little too wide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING, Interval, Width
from hpt_ray.core.identity import stream

DRAWS = 4_000

#: Chance this many times smaller than what is seen hardly matters, and its quantiles are those of the normal.
FAR = 1e4


@dataclass(frozen=True)
class Variation:
    """The variance of the means at ``levels`` levels, as squared shares, and the part that chance gives it.

    Attributes:
        between: the variance of the means. noise: what chance gives it, estimated with so many ``degrees`` of freedom.
        seeds: how many seeds the means are over.
        sampled: whether the levels are a random sample, and the variance meant is that of all levels there could be.
        luck: the part of the noise that more seeds would reduce, and ``luck_degrees`` the degrees of freedom of it; the
            rest is the test sample's.
    """

    between: float
    noise: float
    degrees: float
    levels: int
    seeds: int
    sampled: bool = False
    luck: float = 1.0
    luck_degrees: int = 1

    @property
    def deviation(self) -> float:
        """The standard deviation over the levels without noise."""
        return math.sqrt(max(0.0, self.between - self.noise))

    @property
    def most(self) -> float:
        """The largest standard deviation that shares can have: half of the levels at none, half at all."""
        return 0.5 * math.sqrt(self.levels / (self.levels - 1))


def of_levels(values: np.ndarray) -> Variation | None:
    """The variation of ``values`` [levels, seeds, examples] over the levels, of the seeds that all of them have.

    None of fewer than two such seeds, of which luck cannot be seen, or fewer than two levels or examples.
    """
    values = values[:, ~np.isnan(values).any(axis=(0, 2))]
    if min(values.shape) < 2:
        return None
    seeds = values.shape[1]
    by_seed, by_example, single = _squares(values)
    noise = by_seed / seeds + max(0.0, by_example - single / seeds)
    return _variation(values.mean(axis=(1, 2)), noise, (by_seed / seeds, by_example), values, seeds)


def of_sample(values: np.ndarray, repeated: np.ndarray, seeds: int) -> Variation | None:
    """The variation over a random sample of levels, with the luck that other levels show on other seeds.

    Args:
        values: [levels, examples], means over so many ``seeds``, of which the luck need not be seen.
        repeated: [levels, seeds, examples] of two levels or more, each pretrained with several seeds.

    None of fewer than two such seeds, or of anything.
    """
    repeated = repeated[:, ~np.isnan(repeated).any(axis=(0, 2))]
    if min(*repeated.shape, *values.shape) < 2:
        return None
    by_seed, _, single = _squares(repeated)
    by_example = _interaction(values) / values.shape[1]
    noise = max(0.0, by_seed - single) / seeds + by_example
    return replace(_variation(values.mean(axis=1), noise, (by_seed / seeds, by_example), repeated, seeds), sampled=True)


def _variation(
    means: np.ndarray, noise: float, squares: tuple[float, float], repeated: np.ndarray, seeds: int
) -> Variation:
    """The variation of the levels' means with their ``noise``.

    That is a sum of mean ``squares``, of luck as ``repeated`` shows it and of the test sample, with others taken off.
    """
    levels, repeats, examples = repeated.shape
    # The degrees of freedom of a sum of mean squares (Satterthwaite 1946).
    degrees = (levels - 1) * (repeats - 1), (len(means) - 1) * (examples - 1)
    errors = sum(square**2 / free for square, free in zip(squares, degrees, strict=True))
    return Variation(
        between=float(means.var(ddof=1)),
        noise=noise,
        degrees=noise**2 / errors if errors > 0 else math.inf,
        levels=len(means),
        seeds=seeds,
        luck=min(1.0, squares[0] / noise) if noise > 0 else 0.0,
        luck_degrees=degrees[0],
    )


def _squares(values: np.ndarray) -> tuple[float, float, float]:
    """The mean squares of [levels, seeds, examples]: of levels by seeds for the mean of one pretraining, of levels by
    examples for that of all seeds, and of what is left for the mean of one pretraining."""
    levels, seeds, examples = values.shape
    each = values - values.mean(axis=2, keepdims=True) - values.mean(axis=1, keepdims=True) - values.mean(axis=0)
    each += values.mean(axis=(1, 2), keepdims=True) + values.mean(axis=(0, 2))[:, None] + values.mean(axis=(0, 1))
    each -= values.mean()
    single = float((each**2).sum() / ((levels - 1) * (seeds - 1) * (examples - 1))) / examples
    return _interaction(values.mean(axis=2)), _interaction(values.mean(axis=1)) / examples, single


def _interaction(means: np.ndarray) -> float:
    """The mean square of the interaction of rows and columns."""
    rows, columns = means.shape
    apart = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    return float((apart**2).sum() / ((rows - 1) * (columns - 1)))


def deviation(variation: Variation, reach: float = 0.0) -> Interval:
    """The standard deviation over the levels with its interval; ``reach``: how far above it that reaches at least."""
    low, high = np.quantile(_drawn(variation, 0), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    estimate = variation.deviation
    high = min(max(float(high), estimate + reach), variation.most)
    return Interval(estimate, min(float(low), estimate), high, variation.seeds)


def deviation_difference(first: Variation, second: Variation, reach: float = 0.0) -> Interval:
    """The standard deviation of ``first`` minus that of ``second``; ``reach``: how far the interval goes at least."""
    drawn = _drawn(first, 0) - _drawn(second, 1)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    estimate = first.deviation - second.deviation
    beyond = min(float((drawn <= NOTHING).mean()), float((drawn >= -NOTHING).mean()))
    low = max(min(float(low), estimate - reach), -second.most)
    high = min(max(float(high), estimate + reach), first.most)
    p = 1.0 if reach > 0 and low <= 0 <= high else min(1.0, max(2 * beyond, 1 / DRAWS))
    width = Width(_luck(first, second), min(first.luck_degrees, second.luck_degrees), limits=(-second.most, first.most))
    return Interval(estimate, low, high, min(first.seeds, second.seeds), p, width)


def _luck(first: Variation, second: Variation) -> float:
    """The part of the noise of both that more seeds would reduce."""
    noise = first.noise + second.noise
    return (first.luck * first.noise + second.luck * second.noise) / noise if noise > 0 else 0.0


def _drawn(variation: Variation, side: int) -> np.ndarray:
    """Draws of the standard deviation over the levels, given what was seen."""
    generator, free = stream(side, "variability", variation.levels), variation.levels - 1
    uniform = generator.random(DRAWS)
    if variation.noise < NOTHING**2:
        noise = np.zeros(DRAWS)
    elif math.isinf(variation.degrees):
        noise = np.full(DRAWS, variation.noise)
    else:
        noise = variation.noise * variation.degrees / generator.chisquare(variation.degrees, DRAWS)
    if variation.sampled:
        return np.sqrt(np.maximum(0.0, free * variation.between / special.chdtri(free, uniform) - noise))
    seen = np.divide(free * variation.between, noise, out=np.full(DRAWS, np.inf), where=noise > 0)
    near = seen < FAR
    noncentral = special.chndtrinc(np.where(near, seen, 1.0).clip(NOTHING), free, uniform)
    beyond = np.sqrt(free * variation.between) + special.ndtri(uniform) * np.sqrt(noise)
    own = np.where(near, noise * np.where(noncentral < NOTHING, 0.0, noncentral), beyond**2)
    deviations: np.ndarray = np.sqrt(own / free)
    return deviations
