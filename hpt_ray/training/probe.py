"""What a probe answers: predictions on val, by which it was selected, and on test, looked at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpt_ray.training.features import Split

Chosen = TypeVar("Chosen")


@dataclass(frozen=True)
class Answer:
    """Predicted classes of the val and test examples, and the setting that val chose."""

    val: NDArray[np.int64]
    test: NDArray[np.int64]
    chosen: dict[str, Any]


def accuracy(predicted: NDArray[np.int64], split: Split) -> float:
    """The share of correct predictions."""
    return float(np.mean(predicted == split.labels))


def best(candidates: Iterable[tuple[Chosen, NDArray[np.int64]]], val: Split) -> tuple[Chosen, NDArray[np.int64]]:
    """The candidate with the best accuracy on val; of equals the first, so list the simplest first."""
    return max(candidates, key=lambda candidate: accuracy(candidate[1], val))
