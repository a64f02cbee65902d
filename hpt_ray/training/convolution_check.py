"""Whether a backbone's images are so small that torch's gradients are undefined, told before training.

On CPUs the bfloat16 gradient of a padded convolution by its weights has memory that nothing was written to, where the
input's side is smaller than the stride (seen with torch 2.14). A ResNet-18 of 16 px has such a layer: its numbers
differed from run to run, and some were NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import outline

#: Networks reduce an image to a 32nd of its side, so that larger ones have sides of two pixels and more everywhere.
LARGEST = 64


def check_convolutions(backbone: str, image_size: int, precision: str) -> None:
    """Refuse a padded convolution in bfloat16 whose input is smaller than its stride.

    Raises:
        StudyError: naming the layer.
    """
    if precision != "bfloat16" or image_size > LARGEST:
        return
    network = outline(backbone, image_size).eval()  # shapes alone: nothing is drawn nor computed
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d) and isinstance(layer.padding, tuple) and max(layer.padding):
            layer.register_forward_pre_hook(_refusal(name, backbone, image_size))
    with torch.no_grad(), torch.device("meta"):
        network(torch.empty(1, RGB, image_size, image_size))


def _refusal(name: str, backbone: str, image_size: int) -> Callable[[nn.Conv2d, tuple[Tensor, ...]], None]:
    """A hook before a convolution."""

    def refuse(layer: nn.Conv2d, inputs: tuple[Tensor, ...]) -> None:
        sides = inputs[0].shape[-2:]
        if any(side < stride for side, stride in zip(sides, layer.stride, strict=True)):
            raise StudyError(
                f"image_size={image_size} is too small for {backbone} in bfloat16: {name} would go over a map of "
                f"{sides[0]} x {sides[1]} in steps of {layer.stride[0]}, where torch has no right gradient on CPUs. "
                "Use a larger image_size, or precision=float32."
            )

    return refuse
