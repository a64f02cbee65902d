"""Effects of seeds and examples on means, scaled for the bootstrap: kappa and Lambda of ``bootstrap.py``."""

from __future__ import annotations

import numpy as np
from scipy import special

#: Shares closer than this are the same up to rounding.
NOTHING = 1e-12


def effects(values: np.ndarray, present: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means [values], scaled seed effects [values, seeds] and scaled example effects [values, examples]."""
    seeds, examples = present.sum(axis=1), values.shape[2]
    values = np.where(present[..., None], values, 0.0)
    estimate = values.sum(axis=(1, 2)) / (seeds * examples)
    seed_effects = np.where(present, values.mean(axis=2) - estimate[:, None], 0.0)
    example_effects = values.sum(axis=1) / seeds[:, None] - estimate[:, None]
    fitted = estimate[:, None, None] + seed_effects[..., None] + example_effects[:, None]
    residual = np.where(present[..., None], values - fitted, 0.0).reshape(len(values), -1)
    # The residuals' products summed over the n seeds that two values share: n is reduced by the two fitted means.
    shared, product = present.astype(float) @ present.T, np.outer(seeds, seeds)
    free = 1 - 1 / seeds[:, None] - 1 / seeds[None] + shared / product
    carried = np.divide(residual @ residual.T, product * free, out=np.zeros_like(free), where=free > NOTHING)
    degrees = np.maximum(seeds - 1, 1)
    kappa = np.sqrt(seeds / degrees) * special.stdtrit(degrees, (1 + level) / 2) / special.ndtri((1 + level) / 2)
    shrunk = _shrinkage(example_effects @ example_effects.T, carried) @ example_effects
    return estimate, seed_effects * (kappa / seeds)[:, None], shrunk / examples


def _shrinkage(seen: np.ndarray, carried: np.ndarray) -> np.ndarray:
    """The matrix that takes effects of covariance ``seen`` to ones of the positive part of seen - carried.

    Of one value it is sqrt(max(0, 1 - carried / seen)). Of several it does that along the directions in which both
    matrices are diagonal; directions without variance stay without.
    """
    variances, axes = np.linalg.eigh(seen)
    kept = variances > NOTHING * max(variances.max(), NOTHING)
    root = axes[:, kept] * np.sqrt(variances[kept])
    inverse = (axes[:, kept] / np.sqrt(variances[kept])).T
    shares, directions = np.linalg.eigh(inverse @ carried @ inverse.T)
    shrunk: np.ndarray = root @ (directions * np.sqrt(np.maximum(0.0, 1 - shares))) @ directions.T @ inverse
    return shrunk
