"""What would probably settle a claim for which there is not enough evidence: test images, or seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.power import Needed, seeds_equivalent, seeds_needed


@dataclass(frozen=True)
class Need:
    """What would probably settle a claim for which there is not enough evidence: test images, or seeds.

    Attributes:
        images: where too few test images have different answers, how many would be enough.
        seeds: else how many seeds would be, or the reason why no number of them is.
        equivalence: whether so many seeds would show that there is no difference, and not that there is one.
        what: what the answers are compared of, where it is not the two sides as they are.
    """

    images: exact.Enough | None = None
    seeds: Needed | None = None
    equivalence: bool = False
    what: str = ""


def few_images(values: np.ndarray, margin: float, most: float = 1.0, *, what: str = "") -> Need | None:
    """How many test images are needed, where too few of them are why a difference [seeds, examples] is not judged.

    Args:
        most: as in ``exact.bounds``; ``what``: as in ``Need``.
    """
    enough = exact.enough(values, margin, most)
    return Need(images=enough, what=what) if enough else None


def to_settle(values: np.ndarray, margin: float, rate: float) -> Need | None:
    """What would probably settle a difference [seeds, examples] that is as large as it seems."""
    if few := few_images(values, margin):
        return few
    if values.shape[1] < 2:
        return None
    return needed_seeds(values, margin, rate)


def needed_seeds(values: np.ndarray, margin: float, rate: float) -> Need | None:
    """How many seeds would probably settle a difference [seeds, examples] that is as large as it seems."""
    complete = values[~np.isnan(values).any(axis=1)]
    # The nearer to zero, the more images it takes to exclude zero, and the fewer to exclude a difference that matters.
    equivalence = abs(float(complete.mean())) < margin / 2
    seeds = seeds_equivalent(values, margin) if equivalence else seeds_needed(values, rate=rate)
    if seeds.seeds is not None and seeds.seeds <= len(complete):
        return None
    return Need(seeds=seeds, equivalence=equivalence)
