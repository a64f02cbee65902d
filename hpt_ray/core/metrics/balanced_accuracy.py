"""Balanced accuracy: the mean over classes of the share of a class's images that are recognised, its recall.

Every class counts alike, however few images it has (Brodersen et al. 2010, "The balanced accuracy and its posterior
distribution", ICPR, 3121-3124; ``sklearn.metrics.balanced_accuracy_score``). Of n images, n_k of them of class k, with
c_i = 1 where image i is classified correctly and else 0, and K classes that have images,

    B = 1/K sum over k of r_k,    r_k = 1/n_k sum of c_i over the images of class k,

    var(B) = 1/K^2 sum over k of r_k (1 - r_k) / (n_k - 1),

each r_k being the mean of n_k answers. The score of an image of class k,

    x_i = B + n / (K sqrt(n_k (n_k - 1))) (c_i - r_k),

has the mean B, since c - r_k sums to zero over each class, and sum (x - B)^2 / n^2, which is the variance that
resampling examples gives their mean, is var(B). Of a difference of two models' answers on the same images likewise. So
x stands where correctness does for accuracy. That is first order: n_k is taken as known. A class with a single image
shows no variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpt_ray.core.metric import ByClass, Metric


def recalls(classes: NDArray[np.int64], labels: NDArray[np.int64], number: int) -> NDArray[np.float64]:
    """The recall of each of ``number`` classes, from predicted classes [n] and labels [n]; NaN without any image."""
    images = np.bincount(labels, minlength=number).astype(np.float64)
    recognised = np.bincount(labels[classes == labels], minlength=number)
    share: NDArray[np.float64] = np.divide(recognised, images, out=np.full(number, np.nan), where=images > 0)
    return share


def scores(classes: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """x [n] of predicted classes [n] and labels [n], whose mean is the balanced accuracy."""
    by_class = recalls(classes, labels, int(labels.max()) + 1)
    images = np.bincount(labels)[labels]
    scale = len(labels) / (np.isfinite(by_class).sum() * np.sqrt(images * np.maximum(1, images - 1)))
    x: NDArray[np.float64] = np.nanmean(by_class) + scale * ((classes == labels) - by_class[labels])
    return x


def one_in_all(labels: NDArray[np.int64]) -> float:
    """One over the number of classes with images: whatever is always answered is the label of one of them."""
    return 1 / len(np.unique(labels))


metric = Metric(
    label="balanced accuracy",
    plural="balanced accuracies",
    definition="the mean over classes of the share of a class's images that are classified correctly (its recall)",
    multilabel=False,
    scores=scores,
    chance=one_in_all,
    by_class=ByClass(recalls, label="recall", undefined="{split} has no image of it"),
)
