"""Balanced accuracy by example: against scikit-learn, its variance formula, and a bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from hpt_ray.core.metric import find
from hpt_ray.core.metrics.balanced_accuracy import recalls, scores

#: Images of each class: far from balanced, and none of the third.
COUNTS = (400, 60, 0, 12)


def _answers(right: tuple[float, ...] = (0.9, 0.5, 0.0, 0.75), seed: int = 0) -> tuple[Any, Any]:
    """Predicted classes and labels, of which so large a share of each class is right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(4), COUNTS)
    correct = rng.random(len(labels)) < np.array(right)[labels]
    return np.where(correct, labels, (labels + 1 + rng.integers(0, 2, len(labels))) % 4), labels


def test_the_value_and_the_recalls_are_sklearns() -> None:
    predicted, labels = _answers()
    wanted = balanced_accuracy_score(labels, predicted)
    assert find("balanced_accuracy").value(predicted, labels) == pytest.approx(wanted, rel=1e-12)
    assert scores(predicted, labels).mean() == pytest.approx(wanted, rel=1e-12)
    by_class = recall_score(labels, predicted, labels=[0, 1, 3], average=None)
    np.testing.assert_allclose(recalls(predicted, labels, 5), [by_class[0], by_class[1], np.nan, by_class[2], np.nan])
    # An answer that is none of the classes is wrong: a probe that diverged gives -1.
    assert find("balanced_accuracy").value(np.full(len(labels), -1), labels) == 0


def test_of_equally_many_images_a_class_it_is_the_accuracy() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), 20)
    predicted = np.where(rng.random(100) < 0.6, labels, 0)
    wanted = find("accuracy").value(predicted, labels)
    assert find("balanced_accuracy").value(predicted, labels) == pytest.approx(wanted)


def test_the_variance_is_that_of_the_formula() -> None:
    predicted, labels = _answers()
    x = scores(predicted, labels)
    shares = [(predicted[labels == k] == k) for k in (0, 1, 3)]
    wanted = sum(share.var(ddof=1) / len(share) for share in shares) / 9
    assert ((x - x.mean()) ** 2).sum() / len(x) ** 2 == pytest.approx(wanted, rel=1e-12)


def test_the_variance_is_that_of_a_bootstrap() -> None:
    """Of whole test sets, the mean recall of each; and of the difference of two models on the same images."""
    (one, labels), (other, _) = _answers(), _answers((0.8, 0.6, 0.0, 0.6), seed=1)
    rng = np.random.default_rng(2)
    right = np.stack([one == labels, other == labels])
    drawn = []
    for _ in range(2000):
        rows = rng.integers(0, len(labels), len(labels))
        drawn.append(np.mean([right[:, rows[labels[rows] == k]].mean(axis=1) for k in (0, 1, 3)], axis=0))
    values = np.array(drawn)
    x = np.stack([scores(one, labels), scores(other, labels)])
    for score, value in ((x[0], values[:, 0]), (x[0] - x[1], values[:, 0] - values[:, 1])):
        # A bootstrap divides by n_k where the formula has n_k - 1: 1/12 less for the class that counts most.
        assert score.var() / len(labels) == pytest.approx(value.var(), rel=0.12)


def test_a_class_with_a_single_image_has_a_recall_and_no_variance() -> None:
    predicted, labels = np.array([0, 0, 1, 2]), np.array([0, 0, 0, 2])
    x = scores(predicted, labels)
    assert x.mean() == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert x[3] == pytest.approx(x.mean())
