"""Where the variation of a mean accuracy comes from: pretraining seed, probe repeat, test sample.

Correctness y[s, r, i] of test example i in repeat r of the probe on the weights of pretraining seed s is modelled as

    y = m + seed[s] + probe[s, r] + example[i] + both[s, i] + rest[s, r, i]

with all effects random: repeats are nested in seeds, and examples are crossed with both. The variances are the ANOVA
(method of moments) estimators, which set the mean squares equal to their expectations (Searle, Casella and McCulloch
1992, "Variance Components", chapter 4), and zero where negative. The subset of images that a seed draws is part of the
seed. See Bouthillier et al. (2021, "Accounting for variance in machine learning benchmarks") for why probes and test
samples alone understate the variation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sources:
    """Standard deviation that each source gives the mean over ``seeds`` seeds and ``repeats`` repeats, as a share.

    ``seed``, ``probe`` and ``test`` are what more seeds, more repeats and more test images would reduce, by the square
    root of their number; ``rest`` is chance in single answers (what all three reduce). Their squares sum to the
    variance of the mean. None where a source cannot be told apart: with one seed (its chance is not seen at all), or
    with one repeat (the probe's is then part of ``seed``).
    """

    seed: float | None
    probe: float | None
    test: float
    rest: float
    seeds: int
    repeats: int


def sources(values: np.ndarray) -> Sources:
    """The sources of variation of the mean of ``values`` [seeds, repeats, examples]; a seed with NaN is left out.

    Raises:
        ValueError: if there is no complete seed, or fewer than two examples.
    """
    values = values[~np.isnan(values).any(axis=(1, 2))]
    seeds, repeats, examples = values.shape
    if not seeds or not repeats or examples < 2:
        raise ValueError("sources of variation need a complete seed and two examples")
    mean, by_seed, by_example = values.mean(), values.mean(axis=(1, 2)), values.mean(axis=(0, 1))
    by_repeat, by_both = values.mean(axis=2), values.mean(axis=1)
    both = by_both - by_seed[:, None] - by_example + mean
    rest = values - by_both[:, None] - by_repeat[..., None] + by_seed[:, None, None]
    # Mean squares, in the unit of the mean's variance; what has no degrees of freedom has no sum of squares either.
    ms_seed = _over((by_seed - mean) ** 2, seeds - 1, seeds)
    ms_probe = _over((by_repeat - by_seed[:, None]) ** 2, seeds * (repeats - 1), seeds * repeats)
    ms_example = _over((by_example - mean) ** 2, examples - 1, examples)
    ms_both = _over(both**2, (seeds - 1) * (examples - 1), seeds * examples)
    ms_rest = _over(rest**2, seeds * (repeats - 1) * (examples - 1), seeds * repeats * examples)
    # One seed's interaction with the examples is part of what is seen of the examples: only the rest can be taken off.
    chance = ms_both if seeds > 1 else ms_rest
    return Sources(
        seed=_root(ms_seed - ms_both - ms_probe + ms_rest) if seeds > 1 else None,
        probe=_root(ms_probe - ms_rest) if repeats > 1 else None,
        test=_root(ms_example - chance),
        rest=_root(chance),
        seeds=seeds,
        repeats=repeats,
    )


def _over(squares: np.ndarray, degrees: int, count: int) -> float:
    return float(squares.sum()) / degrees / count if degrees else 0.0


def _root(variance: float) -> float:
    return math.sqrt(max(0.0, variance))
