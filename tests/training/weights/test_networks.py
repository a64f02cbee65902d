"""Which one network several given weights are of."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import save_file

from hpt_ray.core.errors import StudyError, WeightsError
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.networks import network_of


@pytest.mark.parametrize(
    ("bases", "network"),
    [
        (["synthetic:objects,n=80"], None),
        (["weights:stage:0123"], None),
        (["weights:torchvision:resnet50", "synthetic:objects"], "resnet50"),
        (["weights:torchvision:convnext_tiny"], "torchvision/convnext_tiny"),
        (["weights:timm:vit_small_patch16_224"], "timm/vit_small_patch16_224"),
    ],
)
def test_published_weights_say_which_network_they_are_of(bases: list[str], network: str | None) -> None:
    assert network_of(bases) == network


def test_a_file_is_recognised_by_its_tensors(tmp_path: Path) -> None:
    file = str(tmp_path / "a.safetensors")
    save_file(build("resnet_small", 0, 32, 3).state_dict(), file)
    assert network_of([file, "synthetic:objects"]) == "resnet_small"
    with pytest.raises(StudyError, match="is of resnet_small, weights:torchvision:resnet50 is of resnet50"):
        network_of([file, "weights:torchvision:resnet50"])
    with pytest.raises(WeightsError, match="no checkpoint at"):
        network_of([str(tmp_path / "b.pth")])
