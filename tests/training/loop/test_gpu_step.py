"""A step on a GPU waits for nothing, of every method: told on a GPU that is not there."""

from __future__ import annotations

import contextlib
import dataclasses

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from hpt_ray.spec.policy import Policy
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.batches import Batches
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.workers import Workers
from tests.support import tiny
from tests.support.fake_gpu import GPU, fake_gpu


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_a_step_waits_neither_for_the_gpu_nor_for_a_copy(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        trained = Pretrainer(
            tiny.recipe(method=method, policy=Policy(), weight_decay=0.01),
            build("resnet_small", 0),
            tiny.dataset(),
            iterations=6,
            image_size=tiny.SIZE,
            seed=0,
            workers=Workers(device=GPU),
        )
        assert gpu.unpinned  # the data set and the networks: such copies are seen
        for _ in range(2):  # the first one lays out what the second one finds
            gpu.copies.clear(), gpu.unpinned.clear()
            loss = trained.step()
            assert loss.device == GPU
            assert (gpu.unpinned, gpu.synchronisations) == ([], [])
            assert 2 <= len(gpu.copies) <= 6


def test_draws_that_a_thread_has_ready_are_those_of_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"iterations": 9, "image_size": tiny.SIZE, "seed": 3, "precision": "float32", "supervised": False}
    with fake_gpu(monkeypatch):
        recipe = tiny.recipe(policy=Policy())
        ahead, now = (Batches(recipe, tiny.dataset(), device=device, **given) for device in (GPU, torch.device("cpu")))
        for iteration in (0, 1, 2, 7, 8):  # as where a stage is resumed
            drawn, wanted = ahead._draws(iteration), now._draws(iteration)
            for which in (0, 1):
                one, other = drawn(which), wanted(which)
                assert all((getattr(one, f.name) == getattr(other, f.name)).all() for f in dataclasses.fields(one))


def test_what_waits_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch) as gpu:
        values = torch.ones(4, device=GPU)
        values[torch.tensor([1, 2])] = 0.0
        torch.arange(4).to(GPU)
        assert len(gpu.unpinned) == 2
        for waiting in (lambda: float(values.sum()), lambda: values[values > 0], values.cpu):
            gpu.synchronisations.clear()
            with contextlib.suppress(DataDependentOutputException, DynamicOutputShapeException):
                waiting()
            assert gpu.synchronisations
