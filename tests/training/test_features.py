from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torchvision.transforms import v2

from hpt_ray.core.errors import DataError, StudyError
from hpt_ray.training import features, footprint
from hpt_ray.training.backbone import build
from hpt_ray.training.features import centre, extract, outputs, standardised
from tests.support import tiny
from tests.support.fake_gpu import GPU, fake_gpu

CPU = torch.device("cpu")


@pytest.mark.parametrize("size", [16, 20, 21, 23])  # odd margins too
def test_features_equal_a_direct_forward(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "MOST", 8)  # a last chunk that is not full
    data = tiny.dataset(60, size=size)
    backbone = tiny.backbone()
    backbone.train()(torch.randn(32, 3, 16, 16))  # statistics other than the initial ones
    splits = extract(backbone, data, 16, CPU)
    evaluated = v2.Compose(
        [v2.CenterCrop(16), v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.mean, data.std)]
    )
    backbone.eval()
    for name, split in splits.items():
        images = evaluated(torch.from_numpy(data.images[data.splits[name]]))
        expected = torch.stack([backbone(image[None])[0] for image in images]).detach().numpy()
        np.testing.assert_allclose(split.features, expected, atol=1e-5)
        np.testing.assert_array_equal(split.labels, data.labels[data.splits[name]])
        np.testing.assert_array_equal(split.indices, data.splits[name])
        assert split.features.dtype == np.float32


def test_images_go_to_a_gpu_from_pinned_memory_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "MOST", 8)
    monkeypatch.setattr(
        features, "evaluating", lambda *_: contextlib.nullcontext()
    )  # a faked network is moved once alone
    with fake_gpu(monkeypatch) as gpu:
        network, data = tiny.backbone().to(GPU), tiny.dataset()
        gpu.copies.clear(), gpu.unpinned.clear()
        with contextlib.suppress(RuntimeError):  # at its end: what is not computed has no numbers
            outputs(network, data, np.arange(30), 16, GPU)
        assert gpu.unpinned == []
        assert (
            len(gpu.copies) == 1 + 1 + 4
        )  # mean and standard deviation; the first image alone, which tells how many fit at once


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", ["tiny", "resnet_small"])
def test_the_backbone_is_frozen_and_in_eval_mode(training: bool, name: str) -> None:
    backbone = tiny.backbone() if name == "tiny" else build(name, 0)
    backbone.train(training)
    modes: list[bool] = []
    for layer in backbone.modules():
        layer.register_forward_pre_hook(lambda layer, _: modes.append(layer.training or torch.is_grad_enabled()))
    before = tiny.copy_of(backbone.state_dict())
    extract(backbone, tiny.dataset(), 16, CPU)
    assert modes
    assert not any(modes)
    assert tiny.largest_difference(backbone.state_dict(), before) == 0
    assert all(layer.training is training for layer in backbone.modules())


def test_a_probed_backbone_can_still_be_trained() -> None:
    backbone = tiny.backbone()
    extract(backbone, tiny.dataset(), 16, CPU)
    backbone.train()(torch.randn(4, 3, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_images_without_a_label_are_left_out() -> None:
    labels = np.arange(60) % 2
    labels[:10] = -1
    splits = extract(tiny.backbone(), tiny.dataset(labels=labels), 16, CPU)
    assert min(split.indices.min() for split in splits.values()) == 10
    assert sum(len(split.labels) for split in splits.values()) == 50


def test_a_label_changes_no_feature() -> None:
    data = tiny.dataset()
    other = replace(data, labels=1 - data.labels)
    one, two = (extract(tiny.backbone(), d, 16, CPU) for d in (data, other))
    for name in one:
        np.testing.assert_array_equal(one[name].features, two[name].features)


def test_what_cannot_be_evaluated_is_refused() -> None:
    with pytest.raises(StudyError, match="decoded to 16 pixels have no centre of 32: decode them"):
        extract(tiny.backbone(), tiny.dataset(), 32, CPU)
    with pytest.raises(DataError, match="no labels"):
        extract(tiny.backbone(), tiny.dataset(labels=np.full(60, -1)), 16, CPU)


@pytest.mark.parametrize(("size", "image_size"), [(5, 5), (5, 4), (7, 4), (8, 5), (9, 2)])
def test_the_centre_is_torchvisions(size: int, image_size: int) -> None:
    image = torch.arange(3 * size * size).view(1, 3, size, size)
    assert torch.equal(centre(image, image_size), v2.CenterCrop(image_size)(image))


def test_standardised_by_train_alone() -> None:
    splits = extract(tiny.backbone(), tiny.dataset(), 16, CPU)
    for split in splits.values():
        split.features[:, 3] = 7.0  # a constant feature must not divide by zero
    scaler = StandardScaler().fit(splits["train"].features.astype(np.float64))
    for name, scaled in standardised(splits).items():
        np.testing.assert_allclose(scaled, scaler.transform(splits[name].features.astype(np.float64)), atol=1e-9)
        assert not scaled[:, 3].any()
