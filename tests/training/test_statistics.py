"""Batch norm's statistics, against torch's own re-estimation."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from hpt_ray.training import statistics
from hpt_ray.training.features import prepared
from hpt_ray.training.statistics import re_estimate_statistics
from hpt_ray.training.weights.checkpoints import tensors
from tests.support import tiny

CPU = torch.device("cpu")


def test_statistics_are_torchs_own_over_the_same_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "BATCH", 12)
    data, network, reference = tiny.dataset(), tiny.backbone(), tiny.backbone()
    train = data.splits["train"]
    assert len(train) == 36  # three batches of twelve
    re_estimate_statistics(network, data, tiny.SIZE, CPU)
    update_bn([prepared(data, train[start : start + 12], tiny.SIZE, CPU) for start in (0, 12, 24)], reference)
    assert tiny.largest_difference(tensors(network), tensors(reference)) < 1e-6
    assert tiny.largest_difference(tensors(network), tensors(tiny.backbone())) > 1e-3
    assert [layer.momentum for layer in network if isinstance(layer, nn.BatchNorm2d)] == [0.1, 0.1]


def test_dropout_stays_out_of_it() -> None:
    plain, dropping = tiny.backbone(), tiny.backbone()
    dropping.add_module("relu", nn.Dropout(0.5))
    plain.add_module("relu", nn.Identity())
    for network in (plain, dropping):
        re_estimate_statistics(network, tiny.dataset(), tiny.SIZE, CPU)
    assert tiny.largest_difference(tensors(plain), tensors(dropping)) == 0


def test_a_large_set_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "IMAGES", 12)
    seen: list[int] = []
    monkeypatch.setattr(
        statistics, "prepared", lambda data, batch, *rest: seen.extend(batch) or prepared(data, batch, *rest)
    )
    data = tiny.dataset()
    re_estimate_statistics(tiny.backbone(), data, tiny.SIZE, CPU)
    train = data.splits["train"]
    assert len(set(seen)) == 12 and (seen[0], seen[-1]) == (train[0], train[-1])


def test_without_batch_norm_no_image_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "prepared", lambda *_: pytest.fail("an image was read"))
    network = tiny.backbone(norm=tiny.NoNorm)
    re_estimate_statistics(network, tiny.dataset(), tiny.SIZE, CPU)
    assert tiny.largest_difference(tensors(network), tensors(tiny.backbone(norm=tiny.NoNorm))) == 0
