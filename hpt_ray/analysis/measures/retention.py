"""How little data is enough: the smallest data fraction at which an arm keeps most of its full-data gain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.stats.bootstrap import Interval, replicate

#: The share of the full-data gain that counts as kept.
KEPT = 0.95


@dataclass(frozen=True)
class Retention:
    """The smallest fraction tested at which, and at all larger ones, an arm keeps its gain.

    ``fraction`` is None if the interval of ``gain``, at the largest fraction, includes zero.
    ``probability``: the share of bootstrap replicates in which each fraction is the smallest; the rest to 1 are
    replicates without a gain.
    """

    fraction: float | None
    probability: dict[float, float]
    gain: Interval


def retention(correct: Mapping[float, np.ndarray], floor: np.ndarray | float) -> Retention:
    """Where an arm keeps 95 % of its gain, from correctness [seeds, examples] at each data fraction.

    The gain is accuracy minus ``floor``: step-0 correctness [seeds, examples], or a given accuracy. Nothing is
    interpolated between the fractions that were tested.

    Raises:
        ValueError: if there is no fraction, or one without a complete seed or example.
    """
    if not correct:
        raise ValueError("retention needs the correctness at one fraction or more")
    fractions = sorted(correct)
    means = replicate(np.stack([correct[fraction] for fraction in fractions]) - floor)
    gain = means.interval(lambda gains: gains[..., -1], [len(fractions) - 1])
    first, gained = _first(means.draws), means.draws[:, -1] > 0
    return Retention(
        fraction=fractions[int(_first(means.estimate[None])[0])] if gain.low > 0 else None,
        probability={
            fraction: float((gained & (first == position)).mean()) for position, fraction in enumerate(fractions)
        },
        gain=gain,
    )


def _first(gains: np.ndarray) -> np.ndarray:
    """Place of the smallest fraction from which on all keep the last one's gain, for each row of [n, fractions]."""
    keeps = gains >= KEPT * gains[:, -1:]
    kept_since = np.logical_and.accumulate(keeps[:, ::-1], axis=1)[:, ::-1]
    first: np.ndarray = kept_since.argmax(axis=1)
    return first
