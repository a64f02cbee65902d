from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.training import dry_run
from hpt_ray.training.backbone import Backbone, build, check, outline

OURS = ("resnet18", "resnet50", "resnet_small", "vit_nano")


@pytest.mark.parametrize("name", OURS)
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


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("resnet_small", "conv1.weight"),
        ("resnet18", "conv1.weight"),
        ("torchvision/mobilenet_v3_small", "features.0.0.weight"),
    ],
)
def test_the_seed_is_the_initialisation(name: str, weight: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build(name, 7).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = build(name, 7).state_dict(), build(name, 8).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first[weight], other[weight])


@pytest.mark.parametrize("name", ["resnet_small", "torchvision/regnet_y_400mf", "torchvision/vit_b_32"])
def test_an_outline_has_shapes_and_no_numbers(name: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    drawn = outline(name, 64)
    assert torch.equal(torch.get_rng_state(), before)
    assert {value.device.type for value in drawn.state_dict().values()} == {"meta"}
    real = build(name, 0, 64).state_dict()
    assert {key: (value.shape, value.dtype) for key, value in drawn.state_dict().items()} == {
        key: (value.shape, value.dtype) for key, value in real.items()
    }


def test_trying_a_network_out_leaves_it_as_it_was() -> None:
    net = build("resnet_small", 0).eval()
    state = {key: value.clone() for key, value in net.state_dict().items()}
    assert dry_run.features(net, "resnet_small", 32) == 128
    assert not net.training
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("torchvision/squeezenet1_0", 64, "no linear classifier"),
        ("torchvision/inception_v3", 32, r"inception_v3 does not take images \[n, 3, 32, 32\]"),
        ("torchvision/vit_b_32", 60, r"cannot be made for images of 60 px .*indivisible"),
        ("torchvision/maxvit_t", 50, "cannot be made for images of 50 px"),
        ("torchvision/resnet19", 64, "no network 'resnet19': nearest are resnet"),
        ("torchvision/zzz", 64, r"list_models"),
        ("torchvision", 64, "neither a name, nor FAMILY/NAME"),
        ("torchvision/", 64, "no network ''"),
        ("resnet18/v2", 64, "neither a name, nor FAMILY/NAME"),
        ("./nowhere/net.py", 64, "no such file"),
    ],
)
def test_a_backbone_that_cannot_be_used(name: str, size: int, message: str) -> None:
    for use in (check, lambda name, size: build(name, 0, size)):
        with pytest.raises(StudyError, match=message) as refusal:
            use(name, size)
        assert "\n" not in str(refusal.value)


OWN = """
from torch import nn
from hpt_ray.training.backbone import Backbone

def backbone():
    return Backbone({{"conv": nn.Conv2d(3, 8, 3), {more} "pool": nn.AdaptiveAvgPool2d({side})}}, dim={dim})
"""


@pytest.mark.parametrize(
    ("more", "side", "dim", "message"),
    [
        ("", 1, 8, None),
        ("", 1, 9, "promises 9 features and makes 8"),
        ('"drop": nn.Dropout(0.5),', 1, 8, "draws at random in training"),
        ('"linear": nn.Linear(5, 5),', 1, 8, "does not take images"),
    ],
)
def test_a_file_of_the_users(tmp_path: Path, more: str, side: int, dim: int, message: str | None) -> None:
    # In a folder that has a family's name, since a path is told by its ending.
    (tmp_path / "timm").mkdir()
    path = tmp_path / "timm" / "mine.py"
    path.write_text(OWN.format(more=more, side=side, dim=dim))
    if message is None:
        check(str(path), 32)
        assert isinstance(build(str(path), 0), Backbone)
    else:
        with pytest.raises(StudyError, match=message):
            check(str(path), 32)


def test_an_unknown_backbone_lists_what_exists() -> None:
    for use in (lambda name: build(name, 0), lambda name: check(name, 32)):
        with pytest.raises(UnknownNameError, match="Did you mean 'resnet18'"):
            use("resnet19")


def test_a_name_is_checked_without_torchvision() -> None:
    code = (
        "import sys\nfrom hpt_ray.training.backbone import check\n"
        "[check(name, 32) for name in ('resnet18', 'resnet50', 'resnet_small')]\nprint('torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
