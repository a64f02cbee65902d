"""Paired bootstrap over seeds and test examples, with intervals and p-values that hold at three seeds.

A value x[s, i] (whether seed s classifies test example i correctly, or a difference of that between two cells) is
modelled as m + a[s] + b[i] + r[s, i]: seeds and examples are crossed random samples, as every seed is tested on the
same examples. A replicate of the mean is

    m + kappa * sum_s g[s] a[s] / S + sum_i (w[i] - 1) (Lambda b)[i] / N

with g standard normal and w the multinomial counts of resampling N examples. All values of a study use the same g and
w, so replicates are paired wherever the values are.

- Seeds take normal multipliers, not resampling (the wild bootstrap; Davidson and Flachaire 2008): resampling 3 seeds
  has only 10 outcomes. kappa = sqrt(S / (S - 1)) * t(S - 1, 0.975) / 1.96 turns the plug-in variance into the unbiased
  one and the normal quantile into Student's, so that the interval of a mean over seeds alone is exactly Student's.
- Lambda removes from b the share of the residual r that b already carries. Without it the interaction of seeds and
  examples counts twice (Owen 2007, "The pigeonhole bootstrap") and a 95 % interval of a difference covers 99 %. It
  mixes the values replicated together, so that every contrast of them loses its own share: of two arms' accuracies on
  the same examples most of b cancels, and what is left is mostly residual.
- Where test images come in groups, groups stand where examples do, and take Student's quantile (see groups.py).
- Intervals are the basic (reflected) bootstrap's, [2 m - q(0.975), 2 m - q(0.025)] (Davison and Hinkley 1997, eq. 5.6).
  For a linear statistic they equal percentile intervals; of a range or a standard deviation over cells, which noise
  makes too large, they correct the bias that percentile intervals double.
- Where few answers differ, no interval is narrower than the exact one (see exact.py): of a statistic of several means,
  than the widest of theirs, and of a difference between two arms, than the widest of the differences it is made of.
- The interval of a mean of two seeds is never narrower than that for these very weights (see fixed_weights.py).
- p is the error rate at which an interval centred on this one would end at zero. The squared half-width that the seeds
  contribute grows with Student's quantile, the rest with the normal's: sqrt(Vs t^2 + Ve z^2), after Cochran (1964).
  From 5 % down to 0.8 % that lies 0 to 6 % above the Behrens-Fisher quantile; draws alone would have the normal's tail,
  too thin for Holm's levels. p is of the interval after it was widened.

Measured on crossed probit data with known truth (by its tests; 60 to 400 examples, 3, 5 and 10 seeds; 400 to 10,000
studies each): differences of means 94 to 96 %, of two seeds 96 to 99 %; worst changes, with the worst level taken as
given, 92 to 97 % for one arm (ties between levels are the lowest) and 95 to 98 % for the difference of two; range and
standard deviation over levels, and their differences, 84 to 99 %. Of differences that are zero, p is below 0.05 in 3.7
to 5.4 %, below 0.01 in 0.7 to 1.2 %, below 0.05 / 6 in 0.5 to 1.0 %. With one seed a = 0: the interval is of the test
sample alone. Of images in groups: see groups.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import optimize, special

from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.effects import effects
from hpt_ray.analysis.stats.fixed_weights import half_widths
from hpt_ray.analysis.stats.groups import number, quantile, widening
from hpt_ray.core.identity import stream

REPLICATES = 2000
LEVEL = 0.95

#: Shares closer than this are the same up to rounding; p-values are not told apart below SMALLEST.
NOTHING, SMALLEST = 1e-12, 1e-30

#: Means of values, [..., values], to a number for each: must work along the last axis.
Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Width:
    """What an interval's squared half-width is made of, from which its width at another error rate follows.

    Attributes:
        share: the part that the seeds give, the rest being the test sample's.
        degrees: of freedom of the seeds' part. groups: how many the examples are of, None where they are single.
        limits: what no true value lies beyond.
    """

    share: float
    degrees: float
    groups: int | None = None
    limits: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval, in the unit of the values; ``seeds`` is how many it rests on.

    ``p`` is the two-sided p-value of "the true value is zero": below 0.05 where the interval excludes zero. NaN where
    zero is no hypothesis, as of a spread. ``width``: None where it is not known what that is made of.
    """

    estimate: float
    low: float
    high: float
    seeds: int
    p: float = math.nan
    width: Width | None = field(default=None, compare=False, repr=False)

    @property
    def source(self) -> str:
        """What the interval accounts for."""
        return "seeds and test sample" if self.seeds > 1 else "test sample alone"

    @property
    def made_of(self) -> Width:
        """Its width; one that is not known is taken for the seeds' alone, which is widest at a smaller error rate."""
        return self.width or Width(1.0, max(1, self.seeds - 1))

    def at(self, rate: float) -> Interval:
        """The interval that errs at this rate, within what values there can be."""
        low, high, width = self.low, self.high, self.made_of
        if rate != 1 - LEVEL:
            wider = math.sqrt(_wider(rate, width.share, width.degrees, width.groups))
            centre, half = (high + low) / 2, (high - low) / 2 * wider
            low, high = centre - half, centre + half
        # Two seeds may leave more open than there is: no accuracy changes by more than all of it.
        low, high = (min(max(end, width.limits[0]), width.limits[1]) for end in (low, high))
        return replace(self, low=low, high=high)


@dataclass(frozen=True)
class Replicates:
    """Bootstrap replicates of means: ``estimate`` [values], ``draws`` [replicates, values], ``seeds`` [values].

    ``seed_draws`` [replicates, values] are the same draws with chance from the seeds alone. ``reach`` [values, 2] is
    how far below and above its estimate an interval reaches at least, and ``fixed`` [values] how far that of a mean
    does for these very weights. ``limits``: what no true value lies beyond.
    ``groups``: how many groups the examples are of, None where they are single.
    """

    estimate: np.ndarray
    draws: np.ndarray
    seed_draws: np.ndarray
    seeds: np.ndarray
    reach: np.ndarray
    fixed: np.ndarray
    limits: tuple[float, float]
    groups: int | None

    def interval(
        self,
        statistic: Statistic,
        values: Sequence[int] | None = None,
        reach: np.ndarray | None = None,
        rate: float = 1 - LEVEL,
    ) -> Interval:
        """The basic bootstrap interval of a statistic of the means, which uses only ``values`` of them (None: all).

        Args:
            reach: of a statistic of differences between the means, the reach of these, [2]: means of many answers each
                may differ by few.
            rate: how often the interval may err: for one of several, a smaller one than usual.
        """
        estimate = float(statistic(self.estimate))
        used = slice(None) if values is None else list(values)
        alone = len(self.estimate[used]) == 1
        own = np.maximum(self.reach[used].max(axis=0), self.fixed[used] if alone else 0.0)
        seeds, (below, above) = self.seeds[used], own if reach is None else np.maximum(own, reach)
        draws = statistic(self.draws)
        low, high = (2 * estimate - float(end) for end in np.quantile(draws, [(1 + LEVEL) / 2, (1 - LEVEL) / 2]))
        low, high = min(low, estimate - below), max(high, estimate + above)
        variance = float(draws.var())
        share = min(1.0, float(statistic(self.seed_draws).var()) / variance) if variance > 0 else 0.0
        drawn = seeds[seeds > 1]  # what was not drawn adds no variance between seeds
        degrees = int(drawn.min()) - 1 if len(drawn) else 1
        p = p_value(low, high, share, degrees, self.groups)
        width = Width(share, degrees, self.groups, self.limits)
        return Interval(estimate, low, high, int(seeds.min()), p, width).at(rate)


def replicate(
    values: np.ndarray, *, replicates: int = REPLICATES, seed: int = 0, signed: bool = True, most: float = 1.0
) -> Replicates:
    """Bootstrap the means of ``values`` [values, seeds, examples] jointly, where ``Grouped`` those of groups.

    A row of NaN is a seed that a value lacks: its mean and its interval rest on the others. What is to be compared
    belongs into one call: between calls on the same seeds and examples only the draws are shared (see Lambda above).

    Args:
        signed: the values are differences, and not shares of right answers.
        most: the largest difference that one example can have, as in ``exact.bounds``.

    Raises:
        ValueError: if a value has no complete seed, or there is no example.
    """
    reach = np.stack([exact.reach(value, signed, most) for value in values])
    groups, plain = number(values), np.asarray(values)
    present = ~np.isnan(plain).any(axis=2)
    if not values.shape[2] or not present.any(axis=1).all():
        raise ValueError("every value needs at least one example and one complete seed")
    estimate, seed_effects, example_effects = effects(plain, present, LEVEL)
    normals, counts = _weights(values.shape[1], values.shape[2], replicates, seed)
    seed_draws = estimate + normals @ seed_effects.T
    draws = seed_draws.copy()
    for start in range(0, replicates, 256):  # the counts are kept small and widened a block at a time
        block = slice(start, start + 256)
        draws[block] += (counts[block].astype(np.float64) - 1) @ example_effects.T * widening(groups, LEVEL)
    # Rows that are all alike are one given, repeated (direct transfer): no seed was drawn.
    varied = [bool((value[rows] != value[rows][:1]).any()) for value, rows in zip(plain, present, strict=True)]
    drawn = np.where(varied, present.sum(axis=1), 1)
    fixed = half_widths(values, present, drawn, LEVEL)
    limits = (-most, most) if signed else (0.0, 1.0)
    return Replicates(estimate, draws, seed_draws, drawn, reach, fixed, limits, groups)


def _wider(rate: float, share: float, degrees: float, groups: int | None) -> float:
    """The squared half-width of the interval that errs at this rate over that of the 95 % one."""
    tail, usual = rate / 2, (1 - LEVEL) / 2
    seeds = float(special.stdtrit(degrees, tail) / special.stdtrit(degrees, usual))
    examples = quantile(groups, tail) / quantile(groups, usual)
    return share * seeds**2 + (1 - share) * examples**2


def p_value(low: float, high: float, share: float, degrees: float, groups: int | None) -> float:
    """The p-value of zero, of which ``share`` of the interval's squared width is the seeds' (see the module's text)."""
    centre, half = (high + low) / 2, (high - low) / 2
    if half < NOTHING:
        return 1.0 if abs(centre) < NOTHING else 0.0

    def excess(logarithm: float) -> float:
        return _wider(math.exp(logarithm), share, degrees, groups) - (centre / half) ** 2

    least = math.log(SMALLEST)
    return SMALLEST if excess(least) <= 0 else math.exp(float(optimize.brentq(excess, least, 0.0)))


@functools.lru_cache(maxsize=8)
def _weights(seeds: int, examples: int, replicates: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal multipliers [replicates, seeds] and resampling counts [replicates, examples], shared by all values."""
    generator = stream(seed, "bootstrap", seeds, examples)
    counts = np.empty((replicates, examples), dtype=np.uint8)
    for row in counts:
        row[:] = np.bincount(generator.integers(examples, size=examples), minlength=examples).clip(max=255)
    return generator.standard_normal((replicates, seeds)), counts
