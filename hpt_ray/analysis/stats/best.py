"""What a level taken at random loses to the best one, whichever level is truly the best.

The estimate is cross-fitted: for each seed and half of the examples, the best level is chosen with the other seeds and
the other half. Chosen and measured with the same ones, the best would look better than it is, and the more so the
noisier the arm.

The loss is the largest of the levels' leads, each a level's mean minus that of all. So it is at least x where some lead
is: one is picked, for which the error rate is divided by how many they are (Bonferroni). And it is at most x where all
leads are, of which the truly largest one alone must be covered (an intersection-union test; Berger 1982). The interval
holds at ties, where the upper end is too high, and is a little too wide where one level is clear. ``studies/README.md``
has its measured coverage.
"""

from __future__ import annotations

import numpy as np

from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval, replicate


def loss(values: np.ndarray) -> Interval | None:
    """The mean loss to the best level, of scores [levels, seeds, examples], with its interval.

    None of fewer than two seeds that all levels have, of which luck cannot be seen.
    """
    values = values[:, ~np.isnan(values).any(axis=(0, 2))]
    levels, seeds, examples = values.shape
    if seeds < 2 or examples < 2:
        return None
    leads = values - values.mean(axis=0)
    replicates = replicate(leads)
    low, high = 0.0, 0.0
    for level in range(levels):

        def lead(means: np.ndarray, level: int = level) -> np.ndarray:
            chosen: np.ndarray = means[..., level]
            return chosen

        low = max(low, replicates.interval(lead, [level], rate=(1 - LEVEL) / levels).low)
        high = max(high, replicates.interval(lead, [level]).high)
    estimate = max(0.0, cross_fitted(values))
    return Interval(estimate, min(low, estimate), max(high, estimate), seeds)


def cross_fitted(values: np.ndarray) -> float:
    """The loss of scores [levels, seeds, examples], right on average, so that luck can take it below 0."""
    by_half = np.stack([values[:, :, half::2].mean(axis=2) for half in (0, 1)])
    lost = []
    for seed in range(values.shape[1]):
        for half in (0, 1):
            best = np.delete(by_half[1 - half], seed, axis=1).mean(axis=1).argmax()
            measured = by_half[half, :, seed]
            lost.append(measured[best] - measured.mean())
    return float(np.mean(lost))
