from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from torch import nn
from torchvision.transforms import v2

from hpt_ray.core.errors import StageError
from hpt_ray.core.metric import Metric
from hpt_ray.data.dataset import Dataset
from hpt_ray.training import footprint
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.probe import Answer, Subject, best
from hpt_ray.training.probes import _training, sgd
from hpt_ray.training.probes._training import LabelledBatches, new_classifier, steps
from tests.support import labelled, tiny

OPTIONS: dict[str, Any] = {"lr": 0.5, "iterations": 25, "batch": 16, "repeats": 1}


def run(subject: Subject, **changes: Any) -> list[Answer]:
    return sgd.probe(subject, **{**OPTIONS, **changes})


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, nn.Linear]]:
    """The states among which the last repeat chose, with their iterations."""
    found: list[tuple[int, nn.Linear]] = []

    def spy(offered: Iterable[Any], labels: NDArray[np.int64], metric: Metric) -> Any:
        offered = list(offered)
        found[:] = [state for state, _ in offered]
        return best(offered, labels, metric)

    monkeypatch.setattr(sgd, "best", spy)
    return found


# Batches


def test_the_augmentation_is_torchvisions_default() -> None:
    crop, flip = v2.RandomResizedCrop(16), v2.RandomHorizontalFlip()
    assert _training.POLICY.crop.scale == tuple(crop.scale)
    assert _training.POLICY.crop.ratio == pytest.approx(tuple(crop.ratio))
    assert _training.POLICY.flip is not None
    assert _training.POLICY.flip.p == flip.p
    left_out = (_training.POLICY.color_jitter, _training.POLICY.grayscale, _training.POLICY.blur)
    assert left_out == (None, None, None)


@pytest.mark.parametrize("batch", [7, 16, 36, 1000])
def test_every_epoch_shows_every_image_once(batch: int) -> None:
    indices = np.arange(100, 136)
    batches = LabelledBatches(labelled.subject(), indices, batch, 0, "a probe")
    batch = min(batch, 36)
    shown = np.concatenate([batches.indices_of(iteration) for iteration in range(108 // batch + 1)])
    assert len(shown) == (108 // batch + 1) * batch
    epochs = [shown[start : start + 36].tolist() for start in (0, 36, 72)]
    assert all(sorted(epoch) == indices.tolist() for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_batch_depends_on_repeat_probe_and_iteration_alone() -> None:
    subject, other = labelled.subject(), labelled.subject(backbone=tiny.backbone(seed=1))
    indices = subject.labelled["train"]
    batches = LabelledBatches(subject, indices, 16, 0, "a probe")
    images, labels = batches(5)
    batches(2)
    again, labels_again = LabelledBatches(other, indices, 16, 0, "a probe")(5)
    assert torch.equal(images, again)
    assert torch.equal(labels, labels_again)
    assert labels.tolist() == subject.data.labels[batches.indices_of(5)].tolist()
    for changed in (LabelledBatches(subject, indices, 16, 1, "a probe"), LabelledBatches(subject, indices, 16, 0, "b")):
        assert not np.array_equal(changed.indices_of(5), batches.indices_of(5))
        assert not torch.equal(changed(5)[0], images)


def test_one_image_is_seen_otherwise_at_every_repeat_probe_and_iteration() -> None:
    subject, one = labelled.subject(), np.array([7])
    views = [
        LabelledBatches(subject, one, 1, repeat, name)(iteration)[0]
        for repeat, name, iteration in ((0, "a probe", 0), (1, "a probe", 0), (0, "b", 0), (0, "a probe", 1))
    ]
    assert all(not torch.equal(view, views[0]) for view in views[1:])


def test_without_augmentation_a_batch_is_the_normalised_images(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled.see_images_as_they_are(monkeypatch)
    subject = labelled.subject()
    batches = LabelledBatches(subject, subject.labelled["train"], 16, 0, "a probe")
    expected = labelled.normalised(subject.data, batches.indices_of(3))
    torch.testing.assert_close(batches(3)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("iterations", "drops"), [(2500, [833, 1667]), (90, [30, 60]), (5000, [1667, 3333]), (1, [])])
def test_the_rate_drops_where_the_papers_does(iterations: int, drops: list[int]) -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=30.0)
    schedule = steps(optimiser, iterations)
    rates = []
    for _ in range(iterations):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert [i for i in range(1, iterations) if rates[i] != rates[i - 1]] == drops
    np.testing.assert_allclose(rates, [labelled.lr_at(30.0, i, iterations) for i in range(iterations)])


def test_a_new_classifier_is_small_normal_and_draws_from_its_stream_alone() -> None:
    data = labelled.coloured(classes=3)
    data = replace(data, classes=tuple(map(str, range(400))))
    before = torch.random.get_rng_state()
    one, again, other = (new_classifier(labelled.subject(data), repeat, "a probe") for repeat in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(one.weight, again.weight)
    assert not torch.equal(one.weight, other.weight)
    assert one.weight.shape == (400, 16)
    assert float(one.weight.detach().std()) == pytest.approx(0.01, rel=0.05)
    assert abs(float(one.weight.detach().mean())) < 0.001
    assert not one.bias.any()


def test_what_is_not_finite_is_never_right() -> None:
    logits = np.array([[0, 1, 2], [np.nan, 0, 1], [3, np.inf, 1], [5, 1, 1]], np.float32)
    batches = LabelledBatches(labelled.subject(), np.arange(3), 3, 0, "a probe")
    assert batches.decide(logits).tolist() == [2, -1, -1, 0]


# The probe


def reference(subject: Subject, iterations: int, lr: float, batch: int) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Weights and biases after every iteration of softmax regression by momentum SGD, in plain numpy (float64)."""
    train = subject.features["train"]
    rows = {int(index): row for row, index in enumerate(train.indices)}
    batches = LabelledBatches(subject, subject.labelled["train"], batch, 0, sgd.NAME)
    start = new_classifier(subject, 0, sgd.NAME)
    weights = np.hstack([start.weight.detach().numpy(), np.zeros((3, 1))]).astype(np.float64)
    velocity, states = np.zeros_like(weights), []
    for iteration in range(iterations):
        chosen = [rows[int(index)] for index in batches.indices_of(iteration)]
        x = np.hstack([train.features[chosen], np.ones((len(chosen), 1))])
        logits = x @ weights.T
        probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        gradient = (probabilities - np.eye(3)[train.labels[chosen]]).T @ x / len(chosen)
        velocity = 0.9 * velocity + gradient
        weights = weights - labelled.lr_at(lr, iteration, iterations) * velocity
        states.append((weights[:, :-1], weights[:, -1]))
    return states


def test_on_fixed_features_it_is_momentum_sgd(
    candidates: list[tuple[int, nn.Linear]], monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled.see_images_as_they_are(monkeypatch)
    subject = labelled.subject(labelled.coloured(strength=15))
    (answer,) = run(subject, lr=5.0)
    states = reference(subject, 25, 5.0, 16)
    assert [iteration for iteration, _ in candidates] == [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]
    scores = {}
    for iteration, classifier in candidates:
        weights, biases = states[iteration - 1]
        np.testing.assert_allclose(classifier.weight.detach(), weights, atol=1e-4)
        np.testing.assert_allclose(classifier.bias.detach(), biases, atol=1e-4)
        val = subject.features["val"]
        scores[iteration] = accuracy_score(val.labels, (val.features @ weights.T + biases).argmax(axis=1))
    assert len(set(scores.values())) > 1
    assert answer.chosen == {"iteration": max(scores, key=lambda iteration: scores[iteration])}
    weights, biases = states[answer.chosen["iteration"] - 1]
    for split, mine in (("val", answer.val), ("test", answer.test)):
        expected = (subject.features[split].features @ weights.T + biases).argmax(axis=1)
        np.testing.assert_array_equal(mine, expected)


def test_it_learns_what_the_frozen_features_hold() -> None:
    subject = labelled.subject(labelled.coloured(n=300))
    for answer in run(subject, iterations=60, repeats=2):
        assert accuracy_score(subject.features["val"].labels, answer.val) > 0.95
        assert accuracy_score(subject.features["test"].labels, answer.test) > 0.95


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_backbone_is_frozen_and_in_eval_mode(training: bool, precision: str) -> None:
    backbone: Backbone = tiny.backbone()
    backbone.train()(torch.randn(32, 3, 16, 16))  # statistics other than the initial ones
    backbone.train(training)
    modes: list[bool] = []
    for layer in backbone.modules():
        layer.register_forward_pre_hook(lambda layer, _: modes.append(layer.training or torch.is_grad_enabled()))
    before = tiny.copy_of(backbone.state_dict())
    run(labelled.subject(backbone=backbone, precision=precision))
    assert len(modes) > 25 * len(list(backbone.modules()))
    assert not any(modes)
    assert tiny.largest_difference(backbone.state_dict(), before) == 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in backbone.parameters())
    assert all(layer.training is training for layer in backbone.modules())


def test_val_chooses_where_test_would_choose_otherwise(candidates: list[tuple[int, nn.Linear]]) -> None:
    data = labelled.coloured(strength=15)
    (answer,) = run(labelled.subject(data))
    test = labelled.subject(data).features["test"]
    with torch.no_grad():
        tests = {i: c(torch.from_numpy(test.features)).numpy().argmax(axis=1) for i, c in candidates}
    others = [found for found in tests.values() if (found != answer.test).any()]
    assert others
    labels = data.labels.copy()
    labels[data.splits["test"]] = others[-1]  # for which test says that this one is right about everything
    (again,) = run(labelled.subject(replace(data, labels=labels)))
    assert again.chosen == answer.chosen
    np.testing.assert_array_equal(again.val, answer.val)
    np.testing.assert_array_equal(again.test, answer.test)


def test_val_chooses_but_does_not_teach(candidates: list[tuple[int, nn.Linear]]) -> None:
    data = labelled.coloured(strength=15)
    run(labelled.subject(data))
    before = [tiny.copy_of(classifier.state_dict()) for _, classifier in candidates]
    labels = data.labels.copy()
    labels[data.splits["val"]] = 0
    run(labelled.subject(replace(data, labels=labels)))
    for state, (_, classifier) in zip(before, candidates, strict=True):
        assert tiny.largest_difference(classifier.state_dict(), state) == 0


def test_repeats_differ_and_are_the_same_again(candidates: list[tuple[int, nn.Linear]]) -> None:
    data = labelled.coloured(strength=15)
    first, last = [], []
    for repeats in (1, 2, 2):
        answers = run(labelled.subject(data), repeats=repeats)
        last.append(tiny.copy_of(candidates[-1][1].state_dict()))
        first.append(answers[0])
    assert tiny.largest_difference(last[1], last[2]) == 0
    assert tiny.largest_difference(last[0], last[1]) > 0.01
    for answer in first[1:]:  # more repeats change none of the others
        np.testing.assert_array_equal(answer.test, first[0].test)
        assert answer.chosen == first[0].chosen


def test_the_global_generators_stay_as_they_were() -> None:
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1]
    run(labelled.subject())
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


def test_numbers_that_are_not_finite_are_no_answer() -> None:
    backbone = tiny.backbone()
    with torch.no_grad():
        backbone.conv1.weight[0] = torch.nan
    with pytest.raises(StageError, match=r"^the SGD probe ends in numbers that are not finite: lower its learning"):
        run(labelled.subject(backbone=backbone))


def test_batches_pass_through_the_backbone_in_chunks_that_change_no_more_than_last_bits(
    candidates: list[tuple[int, nn.Linear]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    states = []
    for most in (256, 4):
        monkeypatch.setattr(footprint, "MOST", most)
        subject = labelled.subject()
        subject.backbone.register_forward_pre_hook(lambda _, images: seen.append(len(images[0])))
        run(subject, iterations=5)
        states.append(tiny.copy_of(candidates[-1][1].state_dict()))
    assert (max(seen), seen[-1]) == (72, 4)
    assert tiny.largest_difference(*states) < 1e-5


def test_fewer_iterations_than_checkpoints(candidates: list[tuple[int, nn.Linear]]) -> None:
    run(labelled.subject(), iterations=3)
    assert [iteration for iteration, _ in candidates] == [1, 2, 3]


def test_classes_without_an_image_in_train_are_missed_and_not_mixed_up() -> None:
    data: Dataset = labelled.coloured(n=300, classes=2)
    data = replace(data, labels=np.where(data.labels == 1, 4, 2), classes=tuple("abcdef"))
    (answer,) = run(labelled.subject(data), iterations=60)
    assert accuracy_score(data.labels[data.splits["test"]], answer.test) > 0.95
    assert set(answer.test.tolist()) == {2, 4}
