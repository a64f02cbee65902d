"""AUROC by example, against scikit-learn, against DeLong's formula, and by simulation."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.core.metrics.auroc import auroc, components, metric
from hpt_ray.core.targets import both

First = operator.itemgetter((..., 0))


def _data(examples: int = 300, classes: int = 4, ties: bool = True, seed: int = 0) -> tuple[Any, Any]:
    """Scores that are worth something, most of them tied, and targets of which a tenth is unknown."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((examples, classes)) < np.linspace(0.05, 0.7, classes)).astype(np.int8)
    scores = rng.normal(size=targets.shape) + targets
    targets[rng.random(targets.shape) < 0.1] = -1
    return (scores.round(1) if ties else scores).astype(np.float32), targets


def _delong(one: np.ndarray, other: np.ndarray, targets: np.ndarray) -> float:
    """The variance of the difference of two AUROCs, from all pairs as DeLong et al. (1988) write it (their eq. 5)."""
    positive, negative = targets == 1, targets == 0
    parts = []
    for scores in (one, other):
        gap = scores[positive][:, None] - scores[negative]
        psi = np.where(gap > 0, 1.0, np.where(gap == 0, 0.5, 0.0))
        parts.append((psi.mean(axis=1), psi.mean(axis=0)))
    s10 = np.cov(parts[0][0], parts[1][0])
    s01 = np.cov(parts[0][1], parts[1][1])
    covariance = s10 / positive.sum() + s01 / negative.sum()
    return float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


@pytest.mark.parametrize("ties", [True, False])
def test_the_mean_is_sklearns(ties: bool) -> None:
    scores, targets = _data(ties=ties)
    known = targets >= 0
    wanted = [roc_auc_score(targets[rows, c], scores[rows, c]) for c, rows in enumerate(known.T)]
    np.testing.assert_allclose(components(scores, targets).mean(axis=0), wanted, rtol=1e-12)
    np.testing.assert_allclose(auroc(scores, targets), wanted, rtol=1e-12)
    complete = np.where(known, targets, 0).astype(np.int8)
    assert metric.value(scores, complete) == pytest.approx(roc_auc_score(complete, scores, average="macro"))


@pytest.mark.parametrize("ties", [True, False])
def test_the_variance_of_a_paired_difference_is_delongs(ties: bool) -> None:
    scores, targets = _data(ties=ties)
    others = (scores + np.random.default_rng(1).normal(size=scores.shape)).round(1 if ties else 9)
    difference = components(scores, targets) - components(others, targets)
    for c, x in enumerate(difference.T):
        known = targets[:, c] >= 0
        wanted = _delong(scores[known, c], others[known, c], targets[known, c])
        assert ((x - x.mean()) ** 2).sum() / len(x) ** 2 == pytest.approx(wanted, rel=1e-9)
        # Of 2,000 draws a variance is known to 3 per cent.
        draws = replicate(x[None, None]).draws[:, 0]
        assert draws.var() == pytest.approx(wanted, rel=0.12)


def test_only_what_is_known_and_takes_both_values_counts() -> None:
    scores, targets = _data(classes=3)
    targets[:, 0] = np.where(targets[:, 0] == 1, -1, targets[:, 0])
    assert both(targets).tolist() == [False, True, True]
    scores[:, 1] = np.nan
    found = components(scores, targets)
    assert np.isnan(found[:, :2]).all() and np.isfinite(found[:, 2]).all()
    assert metric.value(scores, targets) == pytest.approx(found[:, 2].mean())
    unknown = targets[:, 2] < 0
    assert np.ptp(found[unknown, 2]) == 0
    # What the unknown ones score changes nothing.
    scores[unknown, 2] += 100
    np.testing.assert_array_equal(components(scores, targets)[:, 2], found[:, 2])


def test_a_single_positive_has_an_area() -> None:
    targets = np.array([[1], [0], [0], [0]], dtype=np.int8)
    scores = np.array([[2.0], [1.0], [2.0], [3.0]])
    assert auroc(scores, targets) == pytest.approx([0.5])


def interval(values: np.ndarray, seed: int) -> Interval:
    """Of values [seeds, examples]."""
    return replicate(values[None], seed=seed, replicates=500).interval(First)


def one_model(rng: np.random.Generator, area: float, positives: int, negatives: int) -> np.ndarray:
    targets = np.repeat([1, 0], [positives, negatives])[:, None].astype(np.int8)
    scores = rng.normal(size=targets.shape) + targets * norm.ppf(area) * np.sqrt(2)
    return components(scores, targets).T


#: Area, positives, negatives, and the coverage of a 95 % interval, which is known to fall short of a rare class near 1.
SETTINGS = [
    (0.75, 80, 120, (0.91, 0.96)),
    (0.75, 10, 190, (0.84, 0.91)),
    (0.97, 80, 120, (0.86, 0.93)),
    (0.97, 10, 190, (0.65, 0.77)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("area", "positives", "negatives", "bounds"), SETTINGS)
def test_intervals_cover(area: float, positives: int, negatives: int, bounds: tuple[float, float]) -> None:
    rng = np.random.default_rng(positives)
    found = [interval(one_model(rng, area, positives, negatives), 0) for _ in range(1000)]
    covered = float(np.mean([part.low <= area <= part.high for part in found]))
    assert bounds[0] < covered < bounds[1], covered


def differing(rng: np.random.Generator, area: float, share: float, seeds: int = 3, classes: int = 3) -> np.ndarray:
    """x of the mean AUROC of two arms that differ by chance alone, one minus the other [seeds, examples]."""
    targets = (rng.random((200, classes)) < share).astype(np.int8)
    targets[:2] = [[1] * classes, [0] * classes]
    shared = rng.normal(size=targets.shape)
    arms = []
    for _ in range(2):
        own = rng.normal(size=targets.shape) * 0.5
        by_seed = []
        for _ in range(seeds):
            # What examples share, what is the arm's, and what is the seed's; and how good a seed is.
            noise = shared + own + rng.normal(size=targets.shape) * 0.5
            away = norm.ppf(area) * np.sqrt(2 * 1.5) + rng.normal() * 0.1
            by_seed.append(components(noise + targets * away, targets).mean(axis=1))
        arms.append(by_seed)
    return np.subtract(*map(np.array, arms))


@pytest.mark.slow
@pytest.mark.parametrize(("area", "share"), [(0.8, 0.4), (0.8, 0.05), (0.97, 0.2)])
def test_of_arms_that_do_not_differ_few_are_told_apart(area: float, share: float) -> None:
    rng = np.random.default_rng(round(100 * share))
    found = [interval(differing(rng, area, share), 0) for _ in range(1000)]
    wrong = float(np.mean([part.p < 0.05 for part in found]))
    assert wrong < 0.07, wrong
