"""A step on a GPU waits for nothing, of every method: told on a GPU that is not there."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException

from hpt_ray.spec.policy import Policy
from hpt_ray.training.augment.transfer import Parcel
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.workers import Workers
from tests.support import tiny
from tests.support.fake_gpu import GPU, Stream, fake_gpu

#: Of the method that trains transformers alone.
MAE = {"method": "mae", "options": {"patch": 4, "dim": 16, "depth": 1, "heads": 2}}


@pytest.mark.parametrize("memory", [2**40, 1000], ids=["resident", "sent"])
@pytest.mark.parametrize("method", [*tiny.OPTIONS, "mae"])
def test_a_step_makes_one_copy_and_waits_for_nothing(method: str, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tiny.recipe(method=method if method in tiny.OPTIONS else "simclr", policy=Policy(), weight_decay=0.01)
    with fake_gpu(monkeypatch, memory) as gpu:
        data = tiny.dataset()
        trained = Pretrainer(
            recipe.model_copy(update=MAE) if method == "mae" else recipe,
            build("vit_nano" if method == "mae" else "resnet_small", 0),
            data,
            iterations=6,
            image_size=tiny.SIZE,
            seed=0,
            workers=Workers(device=GPU),
        )
        assert gpu.unpinned  # the networks: such copies are seen
        assert (f"aten._to_copy.default of {data.images.shape}" in gpu.unpinned) == (memory == 2**40)
        trained.step()  # the first one sends what the next two need, too
        for _ in range(2):
            gpu.copies.clear(), gpu.unpinned.clear()
            loss = trained.step()
            assert loss.device == GPU
            assert (gpu.unpinned, gpu.synchronisations) == ([], [])
            assert len(gpu.copies) == 1


def test_the_gpu_computes_with_a_parcel_when_its_copy_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_gpu(monkeypatch):
        copies = Stream()
        parcel = Parcel({"a": np.arange(3), "b": np.ones((2, 2), np.float32)}, GPU, copies)
        computing = torch.cuda.current_stream(GPU)
        assert len(copies.events) == 1
        assert computing.waits_for == []
        arrays = parcel.opened()
        assert computing.waits_for == copies.events
        assert {name: (array.device, array.dtype, array.shape) for name, array in arrays.items()} == {
            "a": (GPU, torch.int64, (3,)),
            "b": (GPU, torch.float32, (2, 2)),
        }


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
