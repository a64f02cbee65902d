"""Probes that train, on several labels an image: the loss, what is unknown, and what val chooses by."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.core.metric import Metric
from hpt_ray.data.dataset import Dataset
from hpt_ray.training.probe import Answer, best
from hpt_ray.training.probes import finetune, sgd
from hpt_ray.training.probes._training import LabelledBatches, loss, new_classifier
from tests.support import labelled, tiny

OPTIONS: dict[Any, dict[str, Any]] = {
    sgd: {"lr": 5.0, "iterations": 150, "batch": 32, "repeats": 1},
    finetune: {"iterations": 40, "batch": 32},
}
BOTH = pytest.mark.parametrize("probe", [sgd, finetune])


def several(n: int = 300, unknown: float = 0.1, strength: float = 60) -> Dataset:
    """Noise in which a channel is brighter by each class that an image has; the last class is rare."""
    rng = np.random.default_rng(0)
    targets = (rng.random((n, 3)) < [0.5, 0.5, 0.2]).astype(np.int8)
    images = rng.normal(110, 40, (n, 3, tiny.SIZE, tiny.SIZE)) + strength * targets[:, :, None, None]
    targets[rng.random(targets.shape) < unknown] = -1
    given = {"images": images.clip(0, 255).astype(np.uint8), "labels": np.arange(n) % 3}
    return replace(tiny.dataset(n, **given), labels=np.full(n, -1), targets=targets)


def targets_of(data: Dataset) -> NDArray[np.int8]:
    assert data.targets is not None
    return data.targets


def with_targets(data: Dataset, split: str, column: Any, value: Any) -> Dataset:
    targets = targets_of(data).copy()
    targets[data.splits[split], column] = value
    return replace(data, targets=targets)


def run(probe: Any, data: Dataset, **changes: Any) -> Answer:
    (answer,) = probe.probe(labelled.subject(data), **{**OPTIONS[probe], **changes})
    assert isinstance(answer, Answer)
    return answer


def areas(scores: NDArray[Any], targets: NDArray[np.int8]) -> list[float]:
    return [roc_auc_score(t[t >= 0], s[t >= 0]) for s, t in zip(scores.T, targets.T, strict=True)]


def test_the_loss_is_torchs_over_what_is_known() -> None:
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(8, 5))).requires_grad_()
    targets = torch.from_numpy(rng.integers(-1, 2, (8, 5)).astype(np.int8))
    known = targets >= 0
    wanted = binary_cross_entropy_with_logits(logits[known], targets[known].double())
    (expected,) = torch.autograd.grad(wanted, logits)
    mine = loss(logits.float(), targets)
    (gradient,) = torch.autograd.grad(mine, logits)
    assert mine.item() == pytest.approx(wanted.item(), rel=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)
    assert not gradient[~known].any() and gradient[known].all()


def test_sgd_on_fixed_features_is_momentum_sgd(monkeypatch: pytest.MonkeyPatch) -> None:
    """In plain numpy: the gradient of a sigmoid is p - y, of what is known."""
    labelled.see_images_as_they_are(monkeypatch)
    offered: list[Any] = []

    def spy(candidates: Iterable[Any], wanted: NDArray[Any], metric: Metric) -> Any:
        offered[:] = list(candidates)
        return best(offered, wanted, metric)

    monkeypatch.setattr(sgd, "best", spy)
    data = several(120, strength=8)
    subject, targets = labelled.subject(data), targets_of(data)
    answer = run(sgd, data, lr=2.0, iterations=20, batch=16)
    batches = LabelledBatches(subject, data.splits["train"], 16, 0, sgd.NAME)
    train, val = subject.features["train"], subject.features["val"]
    weights = new_classifier(subject, 0, sgd.NAME).weight.detach().numpy().astype(np.float64)
    weights, velocity, scores = np.hstack([weights, np.zeros((3, 1))]), np.zeros((3, 17)), {}
    for iteration in range(20):
        chosen = batches.indices_of(iteration)
        x = np.hstack([train.features[np.searchsorted(train.indices, chosen)], np.ones((16, 1))])
        known = targets[chosen] >= 0
        error = np.where(known, 1 / (1 + np.exp(-x @ weights.T)) - targets[chosen], 0)
        velocity = 0.9 * velocity + error.T @ x / known.sum()
        weights = weights - labelled.lr_at(2.0, iteration, 20) * velocity
        scores[iteration + 1] = val.features @ weights[:, :-1].T + weights[:, -1]
    for (iteration, _), predicted in offered:
        np.testing.assert_allclose(predicted, scores[iteration], atol=1e-4)
    means = {iteration: np.mean(areas(scores[iteration], targets[val.indices])) for (iteration, _), _ in offered}
    assert len(set(means.values())) > 1
    assert means[answer.chosen["iteration"]] == max(means.values())
    np.testing.assert_allclose(answer.val, scores[answer.chosen["iteration"]], atol=1e-4)


def test_fine_tuning_trains_as_plain_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.see_images_as_they_are(monkeypatch)
    data = several()
    subject = labelled.subject(data)
    batches = LabelledBatches(subject, data.splits["train"], 16, 0, finetune.NAME)
    mine = finetune.tune(batches, 0.01, 6)
    plain = nn.Sequential(copy.deepcopy(subject.backbone), new_classifier(subject, 0, finetune.NAME)).train()
    optimiser = torch.optim.SGD([{"params": part.parameters()} for part in plain], lr=1, momentum=0.9)
    for iteration in range(6):
        for group, lr in zip(optimiser.param_groups, (0.01, 1.0), strict=True):
            group["lr"] = labelled.lr_at(lr, iteration, 6)
        chosen = batches.indices_of(iteration)
        targets = torch.from_numpy(targets_of(data)[chosen])
        logits = plain(labelled.normalised(data, chosen))
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(logits[targets >= 0], targets[targets >= 0].float()).backward()
        optimiser.step()
    for (name, tensor), expected in zip(mine.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.allclose(tensor, expected, atol=2e-5, rtol=1e-4), name


@BOTH
def test_it_learns_every_class_though_some_is_unknown(probe: Any) -> None:
    data = several(unknown=0.3, strength=120)
    answer = run(probe, data)
    for split, scores in (("val", answer.val), ("test", answer.test)):
        assert scores.dtype == np.float32
        assert min(areas(scores, targets_of(data)[data.evaluation()[split]])) > 0.85


@BOTH
def test_a_class_with_one_value_in_train_has_no_scores(probe: Any) -> None:
    data = with_targets(several(), "train", 2, 0)
    answer = run(probe, data)
    for scores in (answer.val, answer.test):
        assert np.isnan(scores).all(axis=0).tolist() == [False, False, True]
        assert np.isfinite(scores[:, :2]).all()


def test_a_class_unknown_in_train_is_not_trained() -> None:
    data = with_targets(several(), "train", 1, -1)
    subject = labelled.subject(data)
    batches = LabelledBatches(subject, data.splits["train"], 16, 0, finetune.NAME)
    (_, head), start = finetune.tune(batches, 0.01, 6), new_classifier(subject, 0, finetune.NAME)
    moved = [not torch.equal(row, before) for row, before in zip(head.weight, start.weight, strict=True)]
    assert moved == [True, False, True]
    assert head.bias[1] == 0


@BOTH
def test_neither_test_targets_nor_labels_matter(probe: Any) -> None:
    data = several(120, strength=8)
    answer = run(probe, data)
    flipped = np.where(targets_of(data) < 0, -1, 1 - targets_of(data))[data.splits["test"]]
    for other in (with_targets(data, "test", slice(None), flipped), replace(data, labels=np.zeros(120, np.int64))):
        again = run(probe, other)
        assert again.chosen == answer.chosen
        np.testing.assert_array_equal(again.val, answer.val)
        np.testing.assert_array_equal(again.test, answer.test)


def test_a_candidate_that_diverges_loses_and_all_of_them_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also against one that is worse than chance."""
    monkeypatch.setattr(finetune, "DIVISORS", (1e-22, 10))
    data = several(120)
    val = np.where(targets_of(data) < 0, -1, 1 - targets_of(data))[data.splits["val"]]
    upside_down = with_targets(data, "val", slice(None), val)
    answer = run(finetune, upside_down)
    assert np.mean(areas(answer.val, val)) < 0.5
    assert answer.chosen["lr"] == 0.001
    with pytest.raises(StageError, match="fine-tuning ends in numbers that are not finite"):
        run(finetune, data, lr=1e22)


def test_few_labels_hold_their_share_of_the_rare_class() -> None:
    """Images are stratified by the rarest class that they have."""
    data = several(unknown=0)
    targets, train = targets_of(data), data.splits["train"]
    rarest = int(targets.sum(axis=0).argmin())
    for number in (90, 30, 12):
        chosen = finetune.subset(data, "train", number, repeat=0)
        assert abs(targets[chosen, rarest].sum() - number * targets[train, rarest].mean()) <= 1


def test_too_few_labels_to_learn_or_to_choose_are_refused() -> None:
    data = several()
    finetune.check(data, {"labels": 30, "repeats": 3})
    finetune.check(data, {})
    rare = with_targets(data, "train", slice(None), np.arange(180)[:, None] == 0)
    with pytest.raises(StudyError, match=r"with 3 labels on tiny: no class has both positives and neg.*give more lab"):
        finetune.check(rare, {"labels": 3})
    with pytest.raises(StudyError, match="with 999 labels on tiny, which has 180 labelled training images"):
        finetune.check(data, {"labels": 999})
