"""Whether a method's groups are large enough for the batch norm layers of its networks, told before training.

Batch norm takes the spread of each channel over the images and positions that it is given in one pass. Of a single
value there is none, and torch refuses to go on. How many values there are depends on the method (SimCLR passes both
views of a group together), on its heads (which have no positions) and on the backbone's last feature maps at an image
size: so one step of empty images is tried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.backbone import build
from hpt_ray.training.method import Batch, find
from hpt_ray.training.workers import Workers

#: Any number does: it is only the length of a classifier's output.
CLASSES = 2


def check_group(recipe: Recipe, backbone: str, image_size: int) -> None:
    """Refuse groups in which some batch norm layer would be given one value of each channel.

    Raises:
        StudyError: naming the layer.
    """
    if recipe.group > 1:  # each layer then has at least a value of each image
        return
    kind = find(recipe.method)
    options = kind.options(recipe.options)
    method = kind(build(backbone, 0, image_size), options, 0, CLASSES).train()
    for name, layer in method.named_modules():
        if isinstance(layer, _BatchNorm):
            layer.register_forward_pre_hook(_refusal(f"{recipe.method}'s {name}", backbone, image_size))
    size = min(recipe.batch, 2)
    drawn = {name: torch.from_numpy(array) for name, array in kind.draws(options, 0, 0, size, image_size).items()}
    method.step(_groups_of_one(size, image_size, drawn), Workers())


def _groups_of_one(size: int, image_size: int, drawn: dict[str, Tensor]) -> Batch:
    """A global batch of empty images [size, 3, image_size, image_size], each of them a group."""
    return Batch(
        iteration=0,
        size=size,
        group=1,
        view=lambda which: torch.split(torch.zeros(size, 3, image_size, image_size), 1),
        iterations=1,
        labels=torch.split(torch.zeros(size, dtype=torch.int64), 1),
        shuffled=torch.arange(size),
        drawn=drawn,
    )


def _refusal(layer: str, backbone: str, image_size: int) -> Callable[[nn.Module, Any], None]:
    """A hook before a layer's forward pass."""

    def refuse(module: nn.Module, inputs: Any) -> None:
        images = inputs[0]
        if module.training and images.numel() == images.shape[1]:
            raise StudyError(
                f"group=1 gives a batch norm layer ({layer}, {backbone} at {image_size} px) one value of each channel, "
                "which has no spread to normalise by: use group=2 or more."
            )

    return refuse
