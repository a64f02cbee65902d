from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from torch import nn
from torchvision.transforms import v2

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.core.metric import Metric
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.worker import run_unit
from hpt_ray.spec.study import Evaluation
from hpt_ray.store.store import Store
from hpt_ray.training import probe as probe_module
from hpt_ray.training.features import extract
from hpt_ray.training.probe import Answer, Subject, best
from hpt_ray.training.probes import finetune
from hpt_ray.training.probes._training import LabelledBatches, new_classifier
from hpt_ray.training.workers import Workers
from tests.support import labelled, small, tiny

OPTIONS: dict[str, Any] = {"iterations": 8, "batch": 16}


def run(subject: Subject, **changes: Any) -> list[Answer]:
    return finetune.probe(subject, **{**OPTIONS, **changes})


Candidates = list[tuple[dict[str, Any], nn.Module, NDArray[np.int64]]]


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> Candidates:
    """What the last repeat chose among: settings, networks and their predictions of val."""
    found: Candidates = []

    def spy(offered: Iterable[Any], labels: NDArray[np.int64], metric: Metric) -> Any:
        offered = list(offered)
        found[:] = [(*candidate, predicted) for candidate, predicted in offered]
        return best(offered, labels, metric)

    monkeypatch.setattr(finetune, "best", spy)
    return found


# Training


@pytest.mark.parametrize(("iterations", "head"), [(1, finetune.HEAD), (9, 3.0)])
def test_it_trains_as_plain_torch_does(iterations: int, head: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's SGD with a group each for body and head, images through torchvision, the schedule by its formula."""
    labelled.see_images_as_they_are(monkeypatch)
    subject = labelled.subject()
    batches = LabelledBatches(subject, subject.labelled["train"], 16, 0, finetune.NAME)
    mine = finetune.tune(batches, 0.01, iterations, head)
    plain = nn.Sequential(copy.deepcopy(subject.backbone), new_classifier(subject, 0, finetune.NAME)).train()
    optimiser = torch.optim.SGD([{"params": part.parameters()} for part in plain], lr=1, momentum=0.9)
    for iteration in range(iterations):
        for group, lr in zip(optimiser.param_groups, (0.01, 0.01 * head), strict=True):
            group["lr"] = labelled.lr_at(lr, iteration, iterations)
        chosen = batches.indices_of(iteration)
        logits = plain(labelled.normalised(subject.data, chosen))
        loss = nn.functional.nll_loss(logits.log_softmax(dim=1), torch.from_numpy(subject.data.labels[chosen]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    for (name, tensor), expected in zip(mine.state_dict().items(), plain.state_dict().values(), strict=True):
        assert torch.allclose(tensor, expected, atol=2e-5, rtol=1e-4), name


def test_the_whole_network_is_trained_and_the_subject_stays_as_it_is() -> None:
    """Also where an earlier phase froze some of it (HPT-BN)."""
    backbone = tiny.backbone()
    backbone.train()(torch.randn(32, 3, 16, 16))  # statistics other than the initial ones
    backbone.conv1.requires_grad_(False)
    before, subject = tiny.copy_of(backbone.state_dict()), labelled.subject(backbone=backbone)
    tuned = finetune.tune(LabelledBatches(subject, subject.labelled["train"], 16, 0, finetune.NAME), 0.01, 4)
    assert all(not torch.equal(tensor, before[name]) for name, tensor in tuned[0].state_dict().items())
    run(subject)
    assert subject.backbone is backbone
    assert tiny.largest_difference(backbone.state_dict(), before) == 0
    assert backbone.training
    assert [name for name, p in backbone.named_parameters() if not p.requires_grad] == ["conv1.weight"]
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_it_is_the_same_to_the_bit_again_and_leaves_the_global_generators() -> None:
    subject = labelled.subject()
    batches = LabelledBatches(subject, subject.labelled["train"], 16, 0, finetune.NAME)
    states = torch.random.get_rng_state(), np.random.get_state()[1]
    one, again = (finetune.tune(batches, 0.01, 6).state_dict() for _ in range(2))
    assert tiny.largest_difference(one, again) == 0
    assert torch.equal(torch.random.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])


def test_bfloat16_is_close_to_float32_and_keeps_float32_weights() -> None:
    tuned = {}
    for precision in ("float32", "bfloat16"):
        subject = labelled.subject(precision=precision)
        batches = LabelledBatches(subject, subject.labelled["train"], 16, 0, finetune.NAME)
        tuned[precision] = finetune.tune(batches, 0.01, 6).state_dict()
    assert 0 < tiny.largest_difference(tuned["float32"], tuned["bfloat16"]) < 0.05
    assert {tensor.dtype for tensor in tuned["bfloat16"].values()} == {torch.float32, torch.int64}


@pytest.mark.parametrize("labels", [0, 30])
def test_it_learns_what_tells_the_classes_apart(labels: int) -> None:
    data = labelled.coloured(n=300)
    (answer,) = run(labelled.subject(data), iterations=40, labels=labels)
    assert accuracy_score(data.labels[data.splits["val"]], answer.val) > 0.95
    assert accuracy_score(data.labels[data.splits["test"]], answer.test) > 0.95


def test_predictions_are_of_the_chosen_network_in_eval_mode(candidates: Candidates) -> None:
    subject = labelled.subject()
    (answer,) = run(subject)
    ((network, predicted),) = [(network, val) for chosen, network, val in candidates if chosen == answer.chosen]
    network.eval()
    crop = v2.CenterCrop(tiny.SIZE)
    for split, mine in (("val", answer.val), ("test", answer.test)):
        with torch.no_grad():
            logits = network(crop(labelled.normalised(subject.data, subject.labelled[split])))
        np.testing.assert_array_equal(mine, logits.argmax(dim=1).numpy())
    np.testing.assert_array_equal(answer.val, predicted)


# Choosing


def test_val_chooses_among_two_rates_and_two_budgets_the_gentlest_first(candidates: Candidates) -> None:
    data = labelled.coloured(strength=15)
    (answer,) = run(labelled.subject(data))
    assert [chosen for chosen, *_ in candidates] == [
        {"lr": 0.001, "iterations": 2},
        {"lr": 0.01, "iterations": 2},
        {"lr": 0.001, "iterations": 8},
        {"lr": 0.01, "iterations": 8},
    ]
    scores = [accuracy_score(data.labels[data.splits["val"]], predicted) for *_, predicted in candidates]
    assert len(set(scores)) > 1
    assert answer.chosen == candidates[int(np.argmax(scores))][0]


def test_rates_of_ones_own(candidates: Candidates) -> None:
    run(labelled.subject(), lr=0.1, head=3.0)
    assert [chosen["lr"] for chosen, *_ in candidates] == [0.01, 0.1, 0.01, 0.1]


def test_val_chooses_where_test_would_choose_otherwise(candidates: Candidates) -> None:
    data = labelled.coloured(strength=15)
    (answer,) = run(labelled.subject(data))
    subject, others = labelled.subject(data), []
    for _, network, _ in candidates:
        predicted = finetune._predict(network, subject, subject.labelled["test"]).argmax(axis=1)
        others += [predicted] if (predicted != answer.test).any() else []
    assert others
    labels = data.labels.copy()
    labels[data.splits["test"]] = others[-1]  # for which test says that this one is right about everything
    (again,) = run(labelled.subject(replace(data, labels=labels)))
    assert again.chosen == answer.chosen
    np.testing.assert_array_equal(again.val, answer.val)
    np.testing.assert_array_equal(again.test, answer.test)


def test_a_candidate_that_diverges_loses_and_all_of_them_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "DIVISORS", (1e-22, 10))
    (answer,) = run(labelled.subject())
    assert answer.chosen["lr"] == 0.001
    with pytest.raises(StageError, match=r"^fine-tuning ends in numbers that are not finite: lower its learning rate"):
        run(labelled.subject(), lr=1e22)


def test_repeats_differ_and_are_the_same_again(candidates: Candidates) -> None:
    data = labelled.coloured(strength=15)
    runs, last = [], []
    for repeats in (1, 2, 2):
        runs.append(run(labelled.subject(data), labels=20, repeats=repeats))
        last.append(tiny.copy_of(candidates[-1][1].state_dict()))
    assert tiny.largest_difference(last[1], last[2]) == 0
    assert tiny.largest_difference(last[0], last[1]) > 0.001
    assert [len(answers) for answers in runs] == [1, 2, 2]
    for answers in runs[1:]:  # more repeats change none of the others
        np.testing.assert_array_equal(answers[0].test, runs[0][0].test)
        assert answers[0].chosen == runs[0][0].chosen


# Few labels


def test_subsets_are_nested_and_stratified() -> None:
    """Classes of 50, 30 and 20 %: each has its share to within one image."""
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [150, 90, 60]))
    data = labelled.coloured(n=300, labels=labels)
    for split in ("train", "val"):
        pool, larger = data.splits[split], None
        shares = np.bincount(labels[pool]) / len(pool)
        for number in (len(pool), 50, 40, 20, 10, 3):
            chosen = finetune.subset(data, split, number, repeat=0)
            assert len(chosen) == len(np.unique(chosen)) == number
            assert set(chosen) <= set(pool if larger is None else larger)
            assert np.abs(np.bincount(labels[chosen], minlength=3) - shares * number).max() < 1.5
            larger = chosen
        assert set(finetune.subset(data, split, 20, repeat=1)) != set(finetune.subset(data, split, 20, repeat=0))
        np.testing.assert_array_equal(finetune.subset(data, split, 0, repeat=0), pool)
    np.testing.assert_array_equal(finetune.subset(data, "val", 10_000, repeat=0), data.splits["val"])


def test_with_few_labels_nothing_else_of_train_and_val_is_looked_at(candidates: Candidates) -> None:
    """Other images in the place of those left out, of train and of val, change no network and no choice."""
    data = labelled.coloured(strength=15)
    subject = labelled.subject(data)
    (answer,) = run(subject, labels=9)
    before = [(chosen, tiny.copy_of(network.state_dict()), val) for chosen, network, val in candidates]
    seen = np.concatenate([finetune.subset(subject.data, split, 9, repeat=0) for split in ("train", "val")])
    images = np.random.default_rng(1).integers(0, 256, data.images.shape, dtype=np.uint8)
    images[seen], images[data.splits["test"]] = data.images[seen], data.images[data.splits["test"]]
    (again,) = run(labelled.subject(replace(data, images=images)), labels=9)
    assert again.chosen == answer.chosen
    np.testing.assert_array_equal(again.test, answer.test)
    assert len(again.val) == len(data.splits["val"])
    for (chosen, state, val), (other, network, predicted) in zip(before, candidates, strict=True):
        assert chosen == other
        assert len(val) == 9
        np.testing.assert_array_equal(val, predicted)
        assert tiny.largest_difference(network.state_dict(), state) == 0
    # And those that are seen do matter.
    images[seen] = 255 - data.images[seen]
    run(labelled.subject(replace(data, images=images)), labels=9)
    assert tiny.largest_difference(candidates[-1][1].state_dict(), before[-1][1]) > 0.001


def test_a_batch_holds_no_more_than_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    whole = LabelledBatches.__call__

    def spy(batches: LabelledBatches, iteration: int) -> Any:
        images, labels = whole(batches, iteration)
        sizes.append(len(images))
        return images, labels

    monkeypatch.setattr(LabelledBatches, "__call__", spy)
    run(labelled.subject(), labels=6)
    assert set(sizes) == {6}


# In a study


@pytest.mark.parametrize(
    ("probe", "options", "message"),
    [
        ("finetune", {"labels": 57}, r"57 labels on synthetic:shape,n=80, which has 56 .*: give 2 to 56, or 0 for all"),
        ("finetune", {"labels": 1}, "fine-tuning with 1 labels on .*: give 2 to 56"),
        ("finetune", {"labels": -1}, "evaluation 'finetune': labels=-1: Input should be greater than or equal to 0"),
        ("finetune", {"iterations": 3}, "iterations=3: Input should be greater than or equal to 4"),
        ("finetune", {"batch": 1}, "batch=1: Input should be greater than or equal to 2"),
        ("finetune", {"repeats": 0}, "repeats=0: Input should be greater than 0"),
        ("finetune", {"lr": 0.0}, "lr=0.0: Input should be greater than 0"),
        ("finetune", {"head": 0.0}, "head=0.0: Input should be greater than 0"),
        ("finetune", {"rate": 0.1}, "'rate'; its options: labels, iterations, batch, lr, head, repeats"),
        ("sgd", {"lr": 0}, "evaluation 'sgd': lr=0: Input should be greater than 0"),
        ("sgd", {"lr": -1.0}, "lr=-1.0: Input should be greater than 0"),
        ("sgd", {"iterations": 0}, "iterations=0: Input should be greater than 0"),
        ("sgd", {"iterations": 10.5}, "iterations=10.5: Input should be a valid integer"),
        ("sgd", {"batch": 0}, "batch=0: Input should be greater than 0"),
        ("sgd", {"repeats": 0}, "repeats=0: Input should be greater than 0"),
        ("sgd", {"labels": 10}, "'labels'; its options: lr, iterations, batch, repeats"),
    ],
)
def test_options_are_checked_before_anything_is_trained(
    probe: str, options: dict[str, float | int], message: str, tmp_path: Path
) -> None:
    study = small.study(evaluations=(Evaluation(probe=probe, options=options),))
    with pytest.raises(StudyError, match=message) as caught:
        prepare(study, Store(tmp_path, create=False))
    assert "\n" not in str(caught.value)


def test_a_probe_of_ones_own_needs_no_annotations(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def probe(subject, depth=1, **rest):\n    return []\n")
    prepare(small.study(evaluations=(Evaluation(probe=str(file), options={"depth": 2, "x": 3}),)), Store(tmp_path))


def test_a_stage_has_a_row_per_repeat_and_weights_are_extracted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sgd = {"lr": 0.5, "iterations": 4, "batch": 16, "repeats": 3}
    evaluations = (
        Evaluation(probe="linear"),
        Evaluation(probe="finetune", options={"iterations": 4, "batch": 16, "labels": 20, "repeats": 2}),
        Evaluation(probe="sgd", options=sgd),
        Evaluation(probe="knn"),
    )
    extracted = []

    def spy(*arguments: Any) -> Any:
        extracted.append(arguments)
        return extract(*arguments)

    monkeypatch.setattr(probe_module, "extract", spy)
    store = Store(tmp_path)
    prepared = prepare(small.study(arms=("base",), factors=(), evaluations=evaluations), store)
    for unit in prepared.plan.units():
        extracted.clear()
        run_unit(unit, store, Workers(), 1, lambda event: True)
        assert len(extracted) == 1
        for stage in unit.stages:
            if stage.kind != "evaluate":
                continue
            repeats = {"finetune": 2, "sgd": 3}.get(stage.content.probe, 1)
            rows = store.stage_table(stage.id, "results.parquet").to_pylist()
            assert [(row["repeat"], row["split"]) for row in rows] == [
                (repeat, split) for repeat in range(repeats) for split in ("val", "test")
            ]
            predictions = store.stage_table(stage.id, "predictions.parquet").to_pandas()
            data = prepared.datasets[small.TARGET]
            assert len(predictions) == repeats * len(data.splits["test"])
            for row in rows:
                assert row["n"] == len(data.splits[row["split"]])
                if row["split"] == "test":
                    mine = predictions[predictions["repeat"] == row["repeat"]]
                    assert mine["example"].tolist() == data.splits["test"].tolist()
                    assert mine["label"].tolist() == data.labels[data.splits["test"]].tolist()
                    assert row["value"] == pytest.approx(accuracy_score(mine["label"], mine["prediction"]))
            record = store.record(stage.id)
            assert record is not None
            assert len(record.chosen) == repeats
