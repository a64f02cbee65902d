"""Which images a batch is made of, and what a method is told about them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpt_ray.core.errors import DataError, StudyError
from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset
from hpt_ray.training.loop import batches
from hpt_ray.training.loop.batches import Batches, pretraining_indices
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import find
from hpt_ray.training.methods.moco_v2 import MoCoV2
from hpt_ray.training.workers import Workers
from tests.support import spies, tiny


def made(
    data: Dataset, seed: int = 0, supervised: bool = False, workers: Workers | None = None, **recipe: Any
) -> Batches:
    method = "supervised" if supervised else "moco_v2"
    return Batches(
        tiny.recipe(method=method, **recipe),
        data,
        find(method),
        iterations=6,
        image_size=tiny.SIZE,
        seed=seed,
        precision="float32",
        workers=workers or Workers(),
    )


@pytest.mark.parametrize(("fraction", "count"), [(0.1, 5), (0.3, 14), (0.01, 1)])
def test_a_subset_smaller_than_a_batch_is_gone_through_again_and_again(fraction: float, count: int) -> None:
    """Its epochs follow each other without a gap, whatever batch they fall into."""
    found = made(tiny.dataset(), fraction=fraction)
    assert len(found.indices) == count
    order = np.concatenate([found.indices_of(iteration) for iteration in range(count)])
    epochs = order.reshape(16, count)  # as many batches as images are as many epochs as a batch has places
    assert (np.sort(epochs, axis=1) == found.indices).all()
    if count > 1:
        assert len(np.unique(epochs, axis=0)) > 10


def test_an_image_that_is_twice_in_a_batch_is_seen_in_different_views(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = spies.draws(monkeypatch)
    made(tiny.dataset(), fraction=0.01).batch(0)
    draws, _ = drawn
    assert len({*zip(draws.top, draws.left, draws.height, draws.width, strict=True)}) > 12


def test_a_subset_of_a_batch_or_more_leaves_an_epochs_rest_out() -> None:
    found = made(tiny.dataset(), fraction=0.75)  # 36 images: two batches and 4 left out
    for epoch in range(3):
        seen = np.concatenate([found.indices_of(2 * epoch), found.indices_of(2 * epoch + 1)])
        assert len(np.unique(seen)) == 32


def test_the_order_of_an_epoch_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found, drawn = made(tiny.dataset()), list[tuple[Any, ...]]()  # three batches an epoch

    def noting(*key: Any) -> np.random.Generator:
        drawn.append(key)
        return stream(*key)

    monkeypatch.setattr(batches, "stream", noting)
    for iteration in range(6):
        found.indices_of(iteration)
    assert drawn == [(0, "order", 0), (0, "order", 1)]


def test_the_whole_data_set_must_fill_a_batch() -> None:
    with pytest.raises(DataError, match="tiny has 12 images to pretrain on, fewer than a batch of 16"):
        made(tiny.dataset(15))
    assert len(made(tiny.dataset(15), fraction=0.99).indices) == 12


def test_a_supervised_method_sees_labelled_train_images_of_the_fraction() -> None:
    labels = np.where(np.arange(300) % 7 == 0, -1, np.arange(300) % 2)
    data = tiny.dataset(300, labels=labels)
    for fraction in (1.0, 0.4):
        indices = made(data, 2, True, fraction=fraction).indices
        known = [i for i in data.pretraining(fraction, 2) if i in data.splits["train"] and labels[i] >= 0]
        assert indices.tolist() == known


def test_what_a_supervised_method_cannot_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="fewer than a batch of 16"):  # 16 to pretrain on, 12 of them train
        pretraining_indices(tiny.recipe(), tiny.dataset(20), 0, supervised=True)
    with pytest.raises(DataError, match="has no labels"):
        pretraining_indices(tiny.recipe(), tiny.dataset(labels=np.full(60, -1)), 0, supervised=True)
    data = tiny.dataset(60)
    seed = next(seed for seed in range(100) if data.pretraining(0.01, seed) in data.splits["val"])
    with pytest.raises(DataError, match=rf"no labelled train images in a fraction of 0\.01 at seed {seed}: use a lar"):
        pretraining_indices(tiny.recipe(fraction=0.01), data, seed, supervised=True)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_workers_share_out_the_groups_of_a_batch_in_both_orders(size: int) -> None:
    data = tiny.dataset(labels=np.where(np.arange(60) % 3 == 0, -1, np.arange(60)))
    whole = made(data).batch(4)
    shares = [made(data, workers=Workers(rank, size)).batch(4) for rank in range(size)]
    for batch in shares:
        assert (batch.iteration, batch.iterations, batch.size, batch.group, batch.groups) == (4, 6, 16, 4, 4)
        assert torch.equal(batch.shuffled, whole.shuffled)
    labels = [group for batch in shares for group in batch.labels]
    assert [group.tolist() for group in labels] == data.labels[made(data).indices_of(4)].reshape(4, 4).tolist()
    assert {(group.dtype, group.device) for group in labels} == {(torch.int64, torch.device("cpu"))}
    for which in (0, 1):
        groups = [group for batch in shares for group in batch.view(which)]
        torch.testing.assert_close(groups, list(whole.view(which)), rtol=0, atol=1e-6)


def test_a_shuffled_view_is_the_ordered_one_in_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MoCoV2, "views", ("shuffled", "batch", "shuffled"))
    shuffled = made(tiny.dataset()).batch(2)
    monkeypatch.setattr(MoCoV2, "views", ("batch", "shuffled", "batch"))
    ordered = made(tiny.dataset()).batch(2)
    assert sorted(ordered.shuffled.tolist()) == list(range(16)) != ordered.shuffled.tolist()
    for which, (one, other) in enumerate([(shuffled, ordered), (ordered, shuffled), (shuffled, ordered)]):
        expected = torch.cat(other.view(which))[ordered.shuffled]
        torch.testing.assert_close(torch.cat(one.view(which)), expected, rtol=0, atol=1e-6)


def test_a_view_that_the_method_does_not_list_is_refused() -> None:
    batch = made(tiny.dataset(), supervised=True).batch(0)
    assert len(batch.view(0)) == 4
    for which in (1, -1):
        with pytest.raises(StudyError, match=rf"asks for view {which} and has 1: list all in its `views`\."):
            batch.view(which)


METHOD = """
import torch
from torch import nn
from hpt_ray.spec.policy import Frozen
from hpt_ray.training.method import Method

class Recording(Method):
    supervised = True
    class Options(Frozen):
        pass
    def __init__(self, backbone, options, seed, classes):
        super().__init__(backbone, options, seed, classes)
        self.given, self.student, self.seen = (seed, classes), nn.Sequential(backbone), []
    def step(self, batch, workers):
        self.seen.append((batch.iteration, batch.iterations, torch.cat(batch.labels).tolist()))
        return torch.zeros(())
    def feature_std(self):
        return torch.zeros(())

method = Recording
"""


def test_a_method_is_told_what_it_may_need(tmp_path: Path) -> None:
    (tmp_path / "recording.py").write_text(METHOD)
    data = dataclasses.replace(tiny.dataset(), classes=("a", "b", "never seen"))
    recipe = tiny.recipe(iterations=3, fraction=0.5).model_copy(
        update={"method": str(tmp_path / "recording.py"), "options": {}}
    )
    trained = Pretrainer(recipe, tiny.backbone(), data, iterations=3, image_size=tiny.SIZE, seed=4)
    trained.run()
    assert trained.method.given == (4, 3)
    allowed = np.intersect1d(data.pretraining(0.5, 4), data.splits["train"])
    assert trained.batches.indices.tolist() == allowed.tolist()
    labels = [data.labels[trained.batches.indices_of(i)].tolist() for i in range(3)]
    assert trained.method.seen == [(i, 3, labels[i]) for i in range(3)]
