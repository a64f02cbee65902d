"""Where the variation of a mean accuracy comes from: base, pretraining seed, probe repeat, test sample.

Correctness y[b, s, r, i] of test example i in repeat r of the probe on the weights of pretraining seed s, which went on
from base b, is modelled as

    y = m + base[b] + seed[b, s] + probe[b, s, r] + example[i] + on_base[b, i] + both[b, s, i] + rest[b, s, r, i]

with all effects random: repeats are nested in seeds and seeds in bases, and examples are crossed with all three. The
variances are the ANOVA (method of moments) estimators, which set the mean squares equal to their expectations (Searle,
Casella and McCulloch 1992, "Variance Components", chapter 4; of bases with unequal numbers of seeds, section 3.6), and
zero where negative. The subset of images that a seed draws is part of the seed. See Bouthillier et al. (2021,
"Accounting for variance in machine learning benchmarks") for why probes and test samples alone say too little of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Sources:
    """Standard deviation that each source gives the mean over all seeds and repeats, as a share.

    ``base``, ``seed``, ``probe`` and ``test`` are what more bases, more seeds, more repeats and more test images would
    reduce, by the square root of their number; ``rest`` is chance in single answers (what all of them reduce). Their
    squares sum to the variance of the mean. None where a source cannot be told apart: the base with one base (its
    chance is not seen at all) or with one seed on each (it is then part of ``seed``), the seed with one seed, the probe
    with one repeat (part of ``seed``).
    """

    base: float | None
    seed: float | None
    probe: float | None
    test: float
    rest: float
    seeds: int
    repeats: int


def sources(values: np.ndarray, bases: Sequence[int] | None = None) -> Sources:
    """The sources of variation of the mean of ``values`` [seeds, repeats, examples]; a seed with NaN is left out.

    Args:
        bases: a number for the base of each seed; None: all have the same, or none.

    Raises:
        ValueError: if there is no complete seed, or fewer than two examples.
    """
    complete = ~np.isnan(values).any(axis=(1, 2))
    values = values[complete]
    seeds, repeats, examples = values.shape
    if not seeds or not repeats or examples < 2:
        raise ValueError("sources of variation need a complete seed and two examples")
    of_seed = np.zeros(seeds, dtype=np.int64) if bases is None else np.asarray(bases)[complete]
    numbers, groups, sizes = np.unique(of_seed, return_inverse=True, return_counts=True)
    several = 1 < len(numbers) < seeds
    if not several:
        groups, sizes = np.zeros(seeds, dtype=np.int64), np.array([seeds])
    mean, by_seed, by_example = values.mean(), values.mean(axis=(1, 2)), values.mean(axis=(0, 1))
    by_repeat, by_both = values.mean(axis=2), values.mean(axis=1)
    on_base = np.stack([by_both[groups == group].mean(axis=0) for group in range(len(sizes))])
    by_base = on_base.mean(axis=1)
    both = by_both - by_seed[:, None] - on_base[groups] + by_base[groups][:, None]
    rest = values - by_both[:, None] - by_repeat[..., None] + by_seed[:, None, None]
    # Mean squares, in the unit of the mean's variance; what has no degrees of freedom has no sum of squares either.
    within = seeds - len(sizes)
    ms_seed = _over((by_seed - by_base[groups]) ** 2, within, seeds)
    ms_probe = _over((by_repeat - by_seed[:, None]) ** 2, seeds * (repeats - 1), seeds * repeats)
    ms_example = _over((by_example - mean) ** 2, examples - 1, examples)
    ms_both = _over(both**2, within * (examples - 1), seeds * examples)
    ms_rest = _over(rest**2, seeds * (repeats - 1) * (examples - 1), seeds * repeats * examples)
    base = own = 0.0
    if several:
        apart = sizes[:, None] * (on_base - by_base[:, None] - by_example + mean) ** 2
        between, spread = len(sizes) - 1, float(np.square(sizes / seeds).sum())
        # The mean square between bases has n0 times the variance of a base in it, and the mean over seeds a share.
        n0 = (seeds - float(np.square(sizes).sum()) / seeds) / between
        own = max(0.0, (_over(apart, between * (examples - 1), examples) - seeds * ms_both) / n0 * spread)
        ms_base = _over(sizes * (by_base - mean) ** 2, between, 1)
        base = (ms_base - seeds * ms_seed) / n0 * spread - own
    # One seed's interaction with the examples is part of what is seen of the examples: only the rest can be taken off.
    chance = ms_both + own if seeds > 1 else ms_rest
    return Sources(
        base=_root(base) if several else None,
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
