from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from hpt_ray import registry
from hpt_ray.errors import UnknownNameError
from hpt_ray.training.backbone import build


@pytest.mark.parametrize("name", registry.names("backbones"))
def test_pooled_features_of_the_promised_width(name: str) -> None:
    net = build(name, 0)
    assert net(torch.rand(2, 3, 32, 32)).shape == (2, net.dim)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_torchvisions_names_and_forward(name: str) -> None:
    reference = torchvision.models.get_model(name)
    net = build(name, 0)
    theirs = {key: value for key, value in reference.state_dict().items() if not key.startswith("fc.")}
    assert {key: value.shape for key, value in net.state_dict().items()} == {k: v.shape for k, v in theirs.items()}

    net.load_state_dict(theirs)
    reference.fc = nn.Identity()
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(net.eval()(x), reference.eval()(x), rtol=0, atol=0)


def test_the_small_backbone_is_what_it_says() -> None:
    net = build("resnet_small", 0)
    convolutions = {key: layer for key, layer in net.named_modules() if isinstance(layer, nn.Conv2d)}
    # stem, three blocks of two, and a shortcut where the width changes
    assert len(convolutions) == 1 + 3 * 2 + 2
    assert [net.layer1[0].conv2.out_channels, net.layer2[0].conv2.out_channels, net.dim] == [32, 64, 128]
    up_to_the_pool = nn.Sequential(*list(net.children())[:-1])
    assert up_to_the_pool(torch.rand(1, 3, 32, 32)).shape == (1, 128, 4, 4)
    for layer in convolutions.values():
        # He initialisation by fan-out: standard deviation sqrt(2 / (out channels x kernel area))
        expected = (2 / (layer.out_channels * layer.kernel_size[0] * layer.kernel_size[1])) ** 0.5
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("name", ["resnet_small", "resnet18"])
def test_the_seed_is_the_initialisation(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build(name, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = build(name, 7).state_dict(), build(name, 8).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_an_unknown_backbone_lists_what_exists() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet18'"):
        build("resnet19", 0)
