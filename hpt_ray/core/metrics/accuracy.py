"""Accuracy: the share of images that are classified correctly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpt_ray.core.metric import Metric


def correct(classes: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 where a predicted class [n] is the label [n], else 0."""
    right: NDArray[np.float64] = (classes == labels).astype(np.float64)
    return right


def most_frequent(labels: NDArray[np.int64]) -> float:
    """The share of the most frequent label: the accuracy of always answering with it."""
    return float(np.bincount(labels).max() / len(labels))


metric = Metric(
    label="accuracy",
    plural="accuracies",
    definition="the share of images that are classified correctly",
    multilabel=False,
    scores=correct,
    chance=most_frequent,
)
