from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from hpt_ray.core.errors import DataError
from hpt_ray.core.metric import Metric
from hpt_ray.core.metrics import accuracy
from hpt_ray.training import features
from hpt_ray.training import probe as probe_module
from hpt_ray.training.features import Split
from hpt_ray.training.probe import Answer, Subject, best
from hpt_ray.training.probes import _nearest, knn, linear
from tests.support import tiny

Splits = dict[str, Split]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Given:
    """A subject of which only the features are asked."""

    features: Splits
    metric: Metric = accuracy.metric
    device: torch.device = CPU


def value(predicted: Any, labels: Any) -> float:
    return accuracy.metric.value(predicted, labels)


def answer_of(probe: Any, given: Splits) -> Answer:
    """The one answer of a probe that trains no network."""
    (answer,) = probe(Given(given))
    assert isinstance(answer, Answer)
    return answer


def splits(features: NDArray[Any], labels: NDArray[Any]) -> Splits:
    """Interleaved: of five examples three are train, one val, one test."""
    place = np.arange(len(labels)) % 5
    chosen = {"train": place < 3, "val": place == 3, "test": place == 4}
    return {
        name: Split(features[rows].astype(np.float32), labels[rows].astype(np.int64), np.flatnonzero(rows))
        for name, rows in chosen.items()
    }


@pytest.fixture(scope="module")
def digits() -> Splits:
    """Real features that overlap: pixels of handwritten digits, with noise."""
    x, y = load_digits(return_X_y=True)
    return splits(x + np.random.default_rng(0).normal(0, 6, x.shape), y)


@pytest.fixture(scope="module")
def binary() -> Splits:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    return splits(rng.normal(size=(300, 12)) + labels[:, None] * 0.4, labels)


@pytest.fixture(params=["digits", "binary"])
def given(request: pytest.FixtureRequest) -> Splits:
    found: Splits = request.getfixturevalue(request.param)
    return found


def permuted(given: Splits, name: str) -> Splits:
    split = given[name]
    labels = np.random.default_rng(2).permutation(split.labels)
    return {**given, name: Split(split.features, labels, split.indices)}


def sklearns(given: Splits, inverse: float) -> dict[str, NDArray[Any]]:
    """Probabilities of one penalty, fitted from zero and to the end."""
    scaler = StandardScaler().fit(given["train"].features.astype(np.float64))
    model = LogisticRegression(C=inverse, solver="lbfgs", tol=1e-8, max_iter=5000)
    model.fit(scaler.transform(given["train"].features), given["train"].labels)
    return {
        name: model.classes_[model.predict_proba(scaler.transform(given[name].features)).argmax(axis=1)]
        for name in ("val", "test")
    }


def test_the_linear_probe_equals_sklearns_best_on_val(given: Splits) -> None:
    answer = answer_of(linear.probe, given)
    fitted = {inverse: sklearns(given, inverse) for inverse in linear.INVERSE_PENALTIES}
    scores = {inverse: accuracy_score(given["val"].labels, found["val"]) for inverse, found in fitted.items()}
    chosen = answer.chosen["C"]
    # The penalties are a path of fits to a tolerance: an example on the boundary may fall to either side.
    assert scores[chosen] == pytest.approx(max(scores.values()), abs=1 / len(given["val"].labels))
    for name, mine in (("val", answer.val), ("test", answer.test)):
        assert np.mean(mine != fitted[chosen][name]) < 0.01
        assert mine.dtype == np.int64
        assert value(mine, given[name].labels) == pytest.approx(accuracy_score(given[name].labels, mine))


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_test_labels_change_nothing(given: Splits, probe: Any) -> None:
    answer, other = answer_of(probe, given), answer_of(probe, permuted(given, "test"))
    assert answer.chosen == other.chosen
    np.testing.assert_array_equal(answer.val, other.val)
    np.testing.assert_array_equal(answer.test, other.test)


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_test_features_change_nothing_on_val(given: Splits, probe: Any) -> None:
    test = given["test"]
    other = {**given, "test": Split(test.features[::-1] * 3 + 1, test.labels, test.indices)}
    answer, changed = answer_of(probe, given), answer_of(probe, other)
    assert answer.chosen == changed.chosen
    np.testing.assert_array_equal(answer.val, changed.val)


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_val_chooses_but_does_not_teach(given: Splits, probe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one setting to choose from, other val labels change nothing at all."""
    monkeypatch.setattr(linear, "INVERSE_PENALTIES", (1e-2,))
    monkeypatch.setattr(knn, "NEIGHBOURS", (5,))
    answer, other = answer_of(probe, given), answer_of(probe, permuted(given, "val"))
    np.testing.assert_array_equal(answer.val, other.val)
    np.testing.assert_array_equal(answer.test, other.test)


def test_of_equals_the_strongest_penalty_and_most_neighbours_win() -> None:
    labels = np.arange(500) % 2
    # So far apart that every penalty and every k is right about everything.
    easy = splits(np.where(labels, 10.0, -10.0)[:, None] + np.random.default_rng(0).normal(size=(500, 4)), labels)
    for probe, chosen in ((linear.probe, {"C": 1e-4}), (knn.probe, {"k": 200})):
        answer = answer_of(probe, easy)
        assert value(answer.val, easy["val"].labels) == 1
        assert answer.chosen == chosen


def test_best_takes_the_first_of_equals() -> None:
    labels = np.array([0, 0, 1, 1])
    wrong, right = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 0])
    also_right = np.array([1, 0, 1, 1])
    assert best([("a", wrong), ("b", right), ("c", also_right)], labels, accuracy.metric)[0] == "b"


def test_knn_equals_sklearns(given: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_nearest, "CHUNK", 100)  # a last chunk that is not full
    train, queries = given["train"], given["test"].features
    ks = [k for k in knn.NEIGHBOURS if k <= len(train.labels)]
    for k, mine in zip(ks, knn.vote(train, queries, ks), strict=True):
        reference = KNeighborsClassifier(k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
        reference.fit(train.features.astype(np.float64), train.labels)
        np.testing.assert_array_equal(mine, reference.predict(queries.astype(np.float64)))


def test_knn_chooses_among_what_train_can_fill() -> None:
    rng = np.random.default_rng(3)
    few = splits(rng.normal(size=(50, 6)), rng.integers(0, 2, 50))  # 30 of them train
    answer = answer_of(knn.probe, few)
    scores = {k: value(knn.vote(few["train"], few["val"].features, [k])[0], few["val"].labels) for k in (20, 5, 1)}
    assert answer.chosen["k"] == max(scores, key=lambda k: scores[k])
    assert value(answer.val, few["val"].labels) == max(scores.values())


def test_knn_survives_a_feature_vector_of_zeros(binary: Splits) -> None:
    train, queries = binary["train"], binary["test"].features.copy()
    queries[0] = 0
    assert knn.vote(train, queries, [5])[0].shape == (len(queries),)


@pytest.mark.parametrize("probe", [linear.probe, knn.probe])
def test_classes_that_train_lacks_are_missed_and_not_mixed_up(probe: Any) -> None:
    """Labels are indices into all classes, of which train may hold some: here 1, 4 and 6."""
    rng = np.random.default_rng(4)
    labels = np.array([1, 4, 6])[np.arange(300) % 3]
    given = splits(np.eye(7)[labels] * 8 + rng.normal(size=(300, 7)), labels)
    answer = answer_of(probe, given)
    assert value(answer.test, given["test"].labels) > 0.95
    assert set(answer.test.tolist()) <= {1, 4, 6}


def test_a_linear_probe_of_one_class_is_refused(binary: Splits) -> None:
    train = binary["train"]
    one = Split(train.features, np.ones_like(train.labels), train.indices)
    with pytest.raises(DataError, match="train has labelled images of one class only"):
        answer_of(linear.probe, {**binary, "train": one})


def test_a_subject_extracts_its_features_once_and_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    extracted = []

    def spy(*arguments: Any) -> Splits:
        extracted.append(arguments)
        return features.extract(*arguments)

    monkeypatch.setattr(probe_module, "extract", spy)
    data, backbone = tiny.dataset(), tiny.backbone()
    subject = Subject(backbone, data, tiny.SIZE, torch.device("cpu"))
    assert {name: indices.tolist() for name, indices in subject.labelled.items()} == {
        name: indices.tolist() for name, indices in data.splits.items()
    }
    assert not extracted
    found = subject.features
    assert len(linear.probe(subject)) == len(knn.probe(subject)) == 1
    assert subject.features is found
    assert len(extracted) == 1
    for name, split in features.extract(backbone, data, tiny.SIZE, torch.device("cpu")).items():
        np.testing.assert_array_equal(found[name].features, split.features)
