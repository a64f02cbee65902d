"""Networks whose bfloat16 gradients on CPUs are made of memory that nothing was written to."""

from __future__ import annotations

import pytest
import torch

from hpt_ray.core.errors import StudyError
from hpt_ray.training.convolution_check import check_convolutions


@pytest.mark.parametrize(
    ("backbone", "size", "layer"),
    [("resnet18", 16, r"layer4\.0\.conv1"), ("resnet18", 8, r"layer3\.0\.conv1"), ("resnet_small", 4, "layer3")],
)
def test_a_map_smaller_than_the_stride_is_refused(backbone: str, size: int, layer: str) -> None:
    with pytest.raises(StudyError, match=rf"^image_size={size} is too small for {backbone} in bfloat16: \S*{layer}"):
        check_convolutions(backbone, size, "bfloat16")
    check_convolutions(backbone, size, "float32")


@pytest.mark.parametrize(("backbone", "size"), [("resnet18", 32), ("resnet_small", 8), ("vit_nano", 8)])
def test_others_are_not(backbone: str, size: int) -> None:
    check_convolutions(backbone, size, "bfloat16")


def gradient(side: int, stride: int, junk: float) -> torch.Tensor:
    """The weights' gradient of a convolution in bfloat16, after ``junk`` was left in freed memory."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(8, 64, side, side, generator=generator).to(memory_format=torch.channels_last)
    weights = torch.randn(64, 64, 3, 3, generator=generator).to(memory_format=torch.channels_last).requires_grad_()
    left = [torch.full((300_000,), junk) for _ in range(8)]
    del left
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = torch.nn.functional.conv2d(images, weights, stride=stride, padding=1)
    out.float().square().sum().backward()
    assert weights.grad is not None
    return weights.grad


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (2, 2), (3, 2)])
def test_what_is_let_pass_has_one_gradient(side: int, stride: int) -> None:
    assert torch.equal(gradient(side, stride, 1.0), gradient(side, stride, 1e30))
