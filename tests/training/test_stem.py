"""The first convolution for other channels, against timm's own rule, and loads of weights made for other images."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from timm.models import adapt_input_conv
from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.study import Weights
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import Store
from hpt_ray.training import stem
from hpt_ray.training.backbone import Backbone, build, outline
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.sources import check_weights, load_weights
from tests.support import small


@pytest.mark.parametrize("given", [1, 3, 4, 13])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 13, 16])
def test_the_stem_is_adapted_as_timm_does(given: int, channels: int) -> None:
    weights = torch.randn(8, given, 5, 5)
    expected = adapt_input_conv(channels, weights, base_chans=given)
    torch.testing.assert_close(stem.adapt(weights, channels), expected, rtol=1e-6, atol=1e-6)


def test_grey_through_the_sum_is_grey_that_was_repeated() -> None:
    weights, grey = torch.randn(8, 3, 3, 3), torch.rand(2, 1, 9, 9)
    repeated = nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weights)
    torch.testing.assert_close(nn.functional.conv2d(grey, stem.adapt(weights, 1)), repeated)


def test_every_tensor_of_a_load_is_what_timm_loads() -> None:
    reference = timm.create_model("resnet18", num_classes=0, in_chans=5)
    state = timm.create_model("resnet18", num_classes=0).state_dict()
    reference.load_state_dict(state | {"conv1.weight": adapt_input_conv(5, state["conv1.weight"])})
    network = build("timm/resnet18", 0, 32, 5)
    audit = checkpoints.load(network, state, threshold=1.0)
    assert audit.adapted == {"conv1.weight": "conv1.weight"}
    images = torch.randn(2, 5, 32, 32)
    torch.testing.assert_close(network.eval()(images), reference.eval()(images))


@pytest.mark.parametrize("name", ["resnet_small", "resnet18", "torchvision/vit_b_16", "timm/test_vit"])
@pytest.mark.parametrize("channels", [1, 13])
def test_a_network_takes_images_of_its_channels(name: str, channels: int) -> None:
    network = outline(name, 64, channels)
    images = torch.empty(2, channels, 64, 64, device="meta")
    assert network.eval()(images).shape == (2, network.dim)
    assert stem.channels_of(network.state_dict()) == channels


def test_a_new_stem_keeps_the_size_of_its_outputs_and_is_drawn_by_the_seed() -> None:
    three, many = (build("resnet_small", 0, 32, channels) for channels in (3, 13))
    outputs = [
        nn.functional.conv2d(torch.randn(64, len(weights[0]), 16, 16), weights)
        for weights in (three.conv1.weight, many.conv1.weight)
    ]
    assert outputs[1].std().item() == pytest.approx(outputs[0].std().item(), rel=0.1)
    assert torch.equal(many.conv1.weight, build("resnet_small", 0, 32, 13).conv1.weight)
    assert not torch.equal(many.conv1.weight, build("resnet_small", 1, 32, 13).conv1.weight)
    same = {name for name, tensor in three.state_dict().items() if torch.equal(tensor, many.state_dict()[name])}
    assert set(three.state_dict()) - same == {"conv1.weight"}


def test_a_network_without_such_a_convolution_is_refused() -> None:
    network = Backbone({"flat": nn.Flatten(), "linear": nn.Linear(3 * 64, 4)}, dim=4)
    with pytest.raises(StudyError, match=r"^backbone mine does not begin with a convolution of three channels.*=3.$"):
        stem.rebuild(network, 5, "mine")


def test_given_weights_keep_their_own_channels_until_they_meet_images(tmp_path: Path) -> None:
    given = build("resnet_small", 1, 32, 13)
    safetensors.torch.save_file(given.state_dict(), tmp_path / "bands.safetensors")
    imported = build("resnet_small", 0, 32)
    audit = load_weights(imported, WeightSource.parse(str(tmp_path / "bands.safetensors")), Store(tmp_path).weights)
    assert (len(audit.matched), audit.adapted) == (45, {})
    assert torch.equal(imported.conv1.weight, given.conv1.weight)
    checked = check_weights(small.study(), Weights(source=str(tmp_path / "bands.safetensors")), Store(tmp_path).weights)
    assert checked.channels == 13
    assert checked.notes[-1].endswith("bands.safetensors: made for images of 13 channels.")
    narrow = build("resnet_small", 0, 32)
    assert checkpoints.load(narrow, checkpoints.tensors(imported), threshold=1.0).adapted
    assert torch.equal(narrow.conv1.weight, stem.adapt(given.conv1.weight, 3))


def test_a_wider_network_is_no_network_of_more_channels() -> None:
    wide = build("resnet_small", 0).state_dict()
    wide["layer1.0.conv1.weight"] = torch.randn(32, 64, 3, 3)  # differs in its input channels alone
    with pytest.raises(StudyError, match=r"1 reshaped such as 'layer1.0.conv1.weight'"):
        checkpoints.load(build("resnet_small", 0), wide)
