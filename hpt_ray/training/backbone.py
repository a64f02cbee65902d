"""The backbone: images in, one pooled feature vector per image out.

A file of ``backbones/`` defines ``backbone() -> Backbone``. Layers keep the parameter names of torchvision's ResNets
(``conv1``, ``bn1``, ``layer1`` ...), without the classifier ``fc``, so that published checkpoints fit by name.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from hpt_ray import registry
from hpt_ray.identity import derived_seed


class Backbone(nn.Sequential):
    """Named layers in sequence, the last of which pools.

    Args:
        layers: name -> layer, in the order of the forward pass; [n, 3, S, S] goes in, [n, dim, 1, 1] comes out.
        dim: the number of features.
    """

    def __init__(self, layers: Mapping[str, nn.Module], dim: int) -> None:
        super().__init__(OrderedDict(layers))
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """[n, 3, S, S] normalised images -> [n, dim] features."""
        for layer in self:
            x = layer(x)
        return torch.flatten(x, 1)


def build(name: str, seed: int) -> Backbone:
    """The backbone of that name, initialised from the seed's stream "init"; the global generator stays as it was.

    Raises:
        UnknownNameError: lists what exists and the nearest match.
    """
    make = registry.load("backbones", name)
    with torch.random.fork_rng(devices=[]):
        # The generator of the CPU alone: torch.manual_seed would reseed the accelerators too, which are not restored.
        torch.default_generator.manual_seed(derived_seed(seed, "init"))
        return cast(Backbone, make())
