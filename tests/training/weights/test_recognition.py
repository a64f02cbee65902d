from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
import torchvision
from torch import Tensor

from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.study import Weights
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.recognition import recognise
from hpt_ray.training.weights.sources import check_weights
from tests.support import small

timm = pytest.importorskip("timm")


def published(name: str) -> dict[str, Tensor]:
    """The tensors of a network of timm's, all zero."""
    with torch.device("meta"):
        state = timm.create_model(name).state_dict()
    return {key: torch.zeros(value.shape) for key, value in state.items()}


@pytest.mark.parametrize(
    ("network", "backbone"),
    [
        ("vit_tiny_patch16_224", "timm/vit_tiny_patch16_224"),
        pytest.param("vit_small_patch14_dinov2", "timm/vit_small_patch14_dinov2", marks=pytest.mark.slow),
        ("vit_small_patch14_reg4_dinov2", "timm/vit_small_patch14_reg4_dinov2"),
        pytest.param("vit_small_patch16_dinov3", "timm/vit_small_patch16_dinov3", marks=pytest.mark.slow),
        pytest.param(
            "vit_small_plus_patch16_dinov3_qkvb", "timm/vit_small_plus_patch16_dinov3_qkvb", marks=pytest.mark.slow
        ),
        pytest.param("vit_base_patch32_224", "torchvision/vit_b_32", marks=pytest.mark.slow),
        ("convnextv2_atto", "timm/convnextv2_atto"),
        pytest.param("convnext_tiny", "torchvision/convnext_tiny", marks=pytest.mark.slow),
    ],
)
def test_a_published_transformer_or_convnext_is_recognised(network: str, backbone: str) -> None:
    file = {f"teacher/backbone.{key}": value for key, value in published(network).items()}
    assert recognise(file) == (backbone, 1.0)
    assert recognise(file, "teacher/") == (backbone, 1.0)


@pytest.mark.slow
def test_without_timm_torchvisions_networks_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    file = published("vit_tiny_patch16_224")
    monkeypatch.setitem(sys.modules, "timm", None)
    name, share = recognise(file)
    assert not name.startswith("timm/")
    assert share < 0.9


def test_a_study_with_another_backbone_is_told_which_it_is(tmp_path: Path) -> None:
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / "base.pth")
    study = small.study(backbone="resnet_small")
    with pytest.raises(WeightsError, match="looks like resnet18: set backbone=resnet18"):
        check_weights(study, Weights(source=str(tmp_path / "base.pth")), Store(str(tmp_path / "store")).weights)


def test_a_file_that_is_no_known_network_is_refused_as_before(tmp_path: Path) -> None:
    state = build("resnet_small", 0).state_dict()
    torch.save({key: value for key, value in state.items() if key.startswith("layer1")}, tmp_path / "base.pth")
    study = small.study(backbone="resnet_small")
    with pytest.raises(WeightsError, match="does not fit") as refused:
        check_weights(study, Weights(source=str(tmp_path / "base.pth")), Store(str(tmp_path / "store")).weights)
    assert "looks like" not in str(refused.value)
