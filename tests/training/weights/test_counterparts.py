"""Which library's network a backbone's weights fit, and that the Python which is printed loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import build
from hpt_ray.training.weights import counterparts
from hpt_ray.training.weights.checkpoints import tensors
from hpt_ray.training.weights.counterparts import SUFFIXES, Layout, check, loading, usual
from hpt_ray.training.weights.exported import to_bytes
from tests.training.weights.test_exported import provenance

SIZE = 32
pytestmark = pytest.mark.usefixtures("one_thread")
slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("backbone", "layout", "channels"),
    [
        ("resnet18", "torchvision", 3),
        ("resnet18", "timm", 3),
        ("resnet18", "torchvision", 4),
        ("timm/test_vit", "timm", 1),
        pytest.param("timm/resnet18.a1_in1k", "torchvision", 3, marks=slow),
        pytest.param("torchvision/regnet_y_400mf", "torchvision", 3, marks=slow),
        pytest.param("resnet50", "torchvision", 3, marks=slow),
        pytest.param("resnet50", "timm", 3, marks=slow),
        pytest.param("torchvision/resnext50_32x4d", "timm", 3, marks=slow),
        pytest.param("timm/wide_resnet50_2", "torchvision", 3, marks=slow),
        pytest.param("torchvision/vit_b_32", "torchvision", 3, marks=slow),
    ],
)
def test_the_printed_lines_load_the_weights_strictly(
    backbone: str, layout: Layout, channels: int, tmp_path: Path
) -> None:
    net = build(backbone, 1, SIZE, channels).eval()
    check(backbone, layout, SIZE, tensors(net))
    file = tmp_path / f"weights{SUFFIXES[layout]}"
    file.write_bytes(to_bytes(tensors(net), provenance(backbone=backbone), file.suffix))
    names: dict[str, Any] = {}
    exec(loading(backbone, layout, SIZE, str(file), channels), names)
    images = torch.rand(2, channels, SIZE, SIZE)
    with torch.no_grad():
        assert not names["network"].training
        torch.testing.assert_close(names["network"](images), net(images))


@pytest.mark.parametrize(
    ("backbone", "layout", "choices"),
    [
        ("resnet_small", "torchvision", "export it --to safetensors."),
        ("resnet_small", "timm", "export it --to safetensors."),
        ("timm/test_vit", "torchvision", "export it --to timm or --to safetensors."),
        ("torchvision/mobilenet_v3_small", "timm", "export it --to torchvision or --to safetensors."),
    ],
)
def test_a_network_without_a_counterpart_is_refused_with_what_it_can_be_exported_to(
    backbone: str, layout: Layout, choices: str
) -> None:
    with pytest.raises(StudyError) as caught:
        check(backbone, layout, SIZE, tensors(build(backbone, 0, SIZE)))
    assert str(caught.value) == f"backbone {backbone} is no network of {layout}'s with the same tensors: {choices}"


def test_equal_names_are_not_enough_the_features_have_to_be_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of the same tensors that computes something else."""

    def other(name: str, *rest: int) -> Any:
        net = build(name, *rest)
        if name.startswith("timm/"):
            net.network.bn1.eps = 0.1
        return net

    state = tensors(build("resnet18", 0))
    monkeypatch.setattr(counterparts, "build", other)
    with pytest.raises(StudyError, match="is no network of timm's"):
        check("resnet18", "timm", SIZE, state)


def test_a_library_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    monkeypatch.setattr(counterparts, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"needs timm: pip install 'hpt_ray\[timm\]'"):
        check("resnet18", "timm", SIZE, tensors(build("resnet18", 0)))


def test_where_a_backbone_is_from() -> None:
    homes = {name: usual(name) for name in ("resnet18", "torchvision/vit_b_16", "timm/resnet26", "resnet_small")}
    assert list(homes.values()) == ["torchvision", "torchvision", "timm", "safetensors"]
    assert usual("./timm/mine.py") == "safetensors"
    assert "backbone='./mine.py'" in loading("./mine.py", "safetensors", 32, "w.safetensors")
