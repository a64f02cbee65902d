"""Targets of images with several labels each: int8 [n, C], 1 for a class it has, else 0, or -1 where unknown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def both(targets: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which classes [C] have positives (1) and negatives (0) among targets [n, C]; only these can be learned."""
    learnable: NDArray[np.bool_] = (targets == 1).any(axis=0) & (targets == 0).any(axis=0)
    return learnable
