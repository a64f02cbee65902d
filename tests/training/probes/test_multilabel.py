"""Probes of several labels an image on fixed features, against scikit-learn; and who refuses them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from hpt_ray.core.errors import DataError
from hpt_ray.core.metric import Metric
from hpt_ray.core.metrics.auroc import auroc, metric
from hpt_ray.data.dataset import Dataset
from hpt_ray.training.features import Split
from hpt_ray.training.loop.batches import pretraining_indices
from hpt_ray.training.loop.monitor import Monitor
from hpt_ray.training.probe import Answer, Subject
from hpt_ray.training.probes import knn, linear
from hpt_ray.training.workers import Workers
from tests.support import tiny

Splits = dict[str, Split]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Given:
    """A subject of which only the features are asked."""

    features: Splits
    metric: Metric = metric
    device: torch.device = CPU


def answer_of(probe: Any, given: Splits) -> Answer:
    (answer,) = probe(Given(given))
    assert isinstance(answer, Answer)
    return answer


def given(unknown: float = 0.0, examples: int = 400) -> Splits:
    """Features that tell something of three classes, the last one rare; three of five examples are train."""
    rng = np.random.default_rng(0)
    targets = (rng.random((examples, 3)) < [0.5, 0.3, 0.1]).astype(np.int8)
    features = rng.normal(size=(examples, 8)) + targets @ rng.normal(size=(3, 8))
    targets[rng.random(targets.shape) < unknown] = -1
    place = np.arange(examples) % 5
    return {
        name: Split(features[rows].astype(np.float32), np.full(rows.sum(), -1), np.flatnonzero(rows), targets[rows])
        for name, rows in {"train": place < 3, "val": place == 3, "test": place == 4}.items()
    }


def replaced(splits: Splits, name: str, targets: NDArray[np.int8]) -> Splits:
    return {**splits, name: dataclasses.replace(splits[name], targets=targets)}


def test_linear_is_sklearns_one_against_the_rest() -> None:
    splits = given()
    answer = answer_of(linear.probe, splits)
    scaler = StandardScaler().fit(splits["train"].features.astype(np.float64))
    x = {name: scaler.transform(split.features.astype(np.float64)) for name, split in splits.items()}
    areas, scores = {}, {}
    for inverse in linear.INVERSE_PENALTIES:
        model = OneVsRestClassifier(LogisticRegression(C=inverse, tol=1e-8, max_iter=5000))
        model.fit(x["train"], splits["train"].targets)
        scores[inverse] = {name: model.decision_function(x[name]) for name in ("val", "test")}
        areas[inverse] = roc_auc_score(splits["val"].targets, scores[inverse]["val"], average="macro")
    chosen = answer.chosen["C"]
    assert areas[chosen] == pytest.approx(max(areas.values()), abs=1e-3)
    for name, mine in (("val", answer.val), ("test", answer.test)):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, scores[chosen][name], atol=0.02)


def test_an_image_teaches_linear_only_the_classes_that_it_is_known_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "INVERSE_PENALTIES", (0.1,))
    splits = given(unknown=0.3)
    train = splits["train"]
    assert train.targets is not None
    answer = answer_of(linear.probe, splits)
    scaler = StandardScaler().fit(train.features.astype(np.float64))
    for c, targets in enumerate(train.targets.T):
        known = targets >= 0
        model = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000)
        model.fit(scaler.transform(train.features[known].astype(np.float64)), targets[known])
        wanted = model.decision_function(scaler.transform(splits["test"].features.astype(np.float64)))
        np.testing.assert_allclose(answer.test[:, c], wanted, atol=0.01)


def test_knn_scores_are_sklearns_probabilities() -> None:
    splits = given()
    train, queries = splits["train"], splits["test"].features
    assert train.targets is not None
    ks = [50, 5, 1]
    for k, mine in zip(ks, knn.shares(train, queries, ks), strict=True):
        model = KNeighborsClassifier(k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
        model.fit(train.features.astype(np.float64), train.targets)
        wanted = np.stack([part[:, 1] for part in model.predict_proba(queries.astype(np.float64))], axis=1)
        np.testing.assert_allclose(mine, wanted, atol=1e-4)
    answer = answer_of(knn.probe, splits)
    assert splits["val"].targets is not None
    areas = {k: auroc(knn.shares(train, splits["val"].features, [k])[0], splits["val"].targets).mean() for k in ks}
    assert auroc(answer.val, splits["val"].targets).mean() >= max(areas.values())


def test_knn_asks_the_neighbours_that_know() -> None:
    """One dimension on a circle: neighbours by angle, one of which is unknown."""
    angles = np.array([0.0, 0.1, 0.2, 2.0, 2.1])
    bank = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    targets = np.array([[-1, 1], [1, 0], [0, 1], [1, 0], [1, 1]], dtype=np.int8)
    train = Split(bank, np.full(5, -1), np.arange(5), targets)
    one, three = knn.shares(train, bank[:1], [1, 3])
    # Alone it does not know, and three of four in train are positive; of three the nearer one is.
    assert one[0].tolist() == [0.75, 1.0]
    near, far = np.exp(np.cos([0.1, 0.2]) / 0.07)
    assert three[0, 0] == pytest.approx(near / (near + far), rel=1e-4)


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_a_class_with_one_value_in_train_has_no_scores(probe: Any) -> None:
    splits = given()
    targets = splits["train"].targets
    assert targets is not None
    answer = answer_of(probe, replaced(splits, "train", np.where([True, True, False], targets, 0).astype(np.int8)))
    assert np.isnan(answer.test).all(axis=0).tolist() == [False, False, True]
    assert np.isfinite(answer.val[:, :2]).all()


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_test_targets_change_nothing(probe: Any) -> None:
    splits = given(unknown=0.1)
    targets = splits["test"].targets
    assert targets is not None
    answer, other = answer_of(probe, splits), answer_of(probe, replaced(splits, "test", np.zeros_like(targets)))
    assert answer.chosen == other.chosen
    np.testing.assert_array_equal(answer.val, other.val)
    np.testing.assert_array_equal(answer.test, other.test)


def several() -> Dataset:
    targets = (np.random.default_rng(0).random((60, 3)) < 0.5).astype(np.int8)
    return dataclasses.replace(tiny.dataset(), labels=np.full(60, -1), targets=targets)


def test_features_carry_the_targets() -> None:
    data = several()
    subject = Subject(tiny.backbone(), data, tiny.SIZE, CPU)
    assert data.targets is not None
    for split in subject.features.values():
        np.testing.assert_array_equal(split.wanted, data.targets[split.indices])


def test_supervised_pretraining_refuses_several() -> None:
    with pytest.raises(DataError, match="supervised pretraining takes one label an image and tiny has several"):
        pretraining_indices(tiny.recipe(method="supervised"), several(), 0, supervised=True)
    assert len(pretraining_indices(tiny.recipe(), several(), 0, supervised=False)) == 48


def test_the_monitor_measures_the_rank_alone() -> None:
    monitor = Monitor(several(), [0, 5, 10], batch=16, image_size=tiny.SIZE, seed=0, workers=Workers())
    assert set(monitor.check(tiny.backbone())) == {"n", "effective_rank"}
