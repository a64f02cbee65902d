"""Logistic regression in float32 chunks, against scikit-learn and formulas in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import check_grad
from scipy.special import log_expit, log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from hpt_ray.core.metric import Metric
from hpt_ray.core.metrics import accuracy, auroc
from hpt_ray.training.features import Split
from hpt_ray.training.probe import Answer
from hpt_ray.training.probes import _logistic, linear
from hpt_ray.training.probes._logistic import Regression, Standardiser, scores

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Given:
    features: dict[str, Split]
    metric: Metric
    device: torch.device = CPU


def drawn(seed: int, classes: int, examples: int = 1500, dim: int = 12) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Features of very different scales, and labels drawn from a softmax of them."""
    rng = np.random.default_rng(seed)
    standard = rng.normal(size=(examples, dim))
    labels = (0.7 * standard @ rng.normal(size=(dim, classes)) + rng.gumbel(size=(examples, classes))).argmax(axis=1)
    return (standard * 10.0 ** rng.uniform(-2, 2, dim) + rng.normal(size=dim)).astype(np.float32), labels


def unknown(targets: NDArray[Any], share: float = 0.3) -> NDArray[np.int8]:
    return np.where(np.random.default_rng(9).random(targets.shape) < share, -1, targets).astype(np.int8)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_logistic, "CHUNK", 400)  # a last chunk that is not full


def chunks(features: NDArray[Any]) -> Any:
    return Standardiser.of(features, CPU)(features)


def test_standardised_as_scikit_learn_does() -> None:
    features, _ = drawn(0, 2)
    features[:, 3] = 7.0
    mine = torch.cat(list(chunks(features))).numpy()
    assert mine.dtype == np.float32
    np.testing.assert_allclose(mine, StandardScaler().fit_transform(features.astype(np.float64)), atol=2e-5)


@pytest.mark.parametrize("single", [True, False])
def test_the_objective_is_its_formula_and_its_gradient_the_slope_of_it(single: bool) -> None:
    features, labels = drawn(1, 4)
    wanted = labels if single else unknown(np.eye(4)[labels])
    regression = Regression(chunks(features), wanted, 4)
    x = np.concatenate([chunk.numpy() for chunk in regression.chunks]).astype(np.float64)
    flat = np.random.default_rng(2).normal(0, 0.3, 4 * 13)

    def formula(flat: NDArray[Any]) -> float:
        weights = flat.reshape(4, 13)
        logits, penalty = x @ weights[:, :-1].T + weights[:, -1], (weights[:, :-1] ** 2).sum(axis=1) / (2 * 0.01)
        if single:
            return float(penalty.sum() / len(x) - log_softmax(logits, axis=1)[np.arange(len(x)), labels].mean())
        losses = np.where(wanted == 1, -log_expit(logits), np.where(wanted == 0, -log_expit(-logits), 0))
        return float(((losses.sum(axis=0) + penalty) / (wanted >= 0).sum(axis=0)).sum())

    assert regression.objective(flat, 0.01)[0] == pytest.approx(formula(flat), rel=1e-6)
    assert check_grad(formula, lambda flat: regression.objective(flat, 0.01)[1], flat) < 1e-5


@pytest.mark.parametrize(("seed", "classes"), [(0, 3), (1, 7)])
def test_each_optimum_is_scikit_learns(seed: int, classes: int) -> None:
    """To 0.0003 of the largest weight, where both are fitted to the end."""
    features, labels = drawn(seed, classes)
    regression = Regression(chunks(features), labels, classes)
    x = np.concatenate([chunk.numpy() for chunk in regression.chunks]).astype(np.float64)
    for inverse, weights in regression.path((1e-3, 1.0), tolerance=1e-5):
        expected = LogisticRegression(C=inverse, tol=1e-8, max_iter=5000).fit(x, labels)
        largest = np.abs(expected.coef_).max()
        np.testing.assert_allclose(weights[:, :-1], expected.coef_, atol=3e-4 * largest)
        assert np.mean(scores(weights, regression.chunks).argmax(axis=1) != expected.predict(x)) < 0.002


def splits(features: NDArray[Any], wanted: NDArray[Any]) -> dict[str, Split]:
    place, found = np.arange(len(features)) % 5, {}
    for name, rows in {"train": place < 3, "val": place == 3, "test": place == 4}.items():
        several = wanted.ndim == 2
        labels = np.full(rows.sum(), -1) if several else wanted[rows]
        found[name] = Split(features[rows], labels, np.flatnonzero(rows), wanted[rows] if several else None)
    return found


def both_ways(given: Given, monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    answers = []
    for limit in (2**31, 0):
        monkeypatch.setattr(linear, "LIMIT", limit)
        answers += linear.probe(given)  # type: ignore[arg-type]
    return answers


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("classes", [2, 5])
def test_beyond_the_limit_the_probe_answers_the_same(seed: int, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that train lacks among them; the choice of the penalty equal, predictions up to examples on a border."""
    features, labels = drawn(seed, classes)
    exact, chunked = both_ways(Given(splits(features, 2 * labels + 1), accuracy.metric), monkeypatch)
    assert chunked.chosen == exact.chosen
    for mine, expected in ((chunked.val, exact.val), (chunked.test, exact.test)):
        assert np.mean(mine != expected) < 0.01
        assert mine.dtype == np.int64


@pytest.mark.parametrize("seed", range(2))
def test_beyond_the_limit_of_several_labels_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = drawn(seed, 4)
    targets = unknown(np.eye(4)[labels])
    targets[:, 2] = 1  # nothing to learn
    exact, chunked = both_ways(Given(splits(features, targets), auroc.metric), monkeypatch)
    assert chunked.chosen == exact.chosen
    assert np.isnan(chunked.test[:, 2]).all()
    np.testing.assert_allclose(chunked.test, exact.test, atol=0.02, rtol=0.005)
    assert chunked.test.dtype == np.float32


@pytest.mark.parametrize(("limit", "chunked"), [(900 * 12 * 8, False), (900 * 12 * 8 - 1, True)])
def test_the_limit_counts_examples_times_features_times_classes(
    limit: int, chunked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []
    monkeypatch.setattr(linear, "_in_chunks", lambda *given: used.append(given))
    monkeypatch.setattr(linear, "LIMIT", limit)
    linear.probe(Given(splits(*drawn(0, 3)), accuracy.metric))  # type: ignore[arg-type]
    assert bool(used) is chunked


def test_the_quick_scale_stays_with_scikit_learn() -> None:
    assert linear.LIMIT > 8_000 * 256 * 50
