"""The stem: a network's first convolution, for images of other than three channels.

Networks are made for red, green and blue. One that starts from random numbers gets a stem of its images' channels; one
that starts from weights gets their stem, widened or narrowed by the rule of timm (``timm.models.adapt_input_conv``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise, product

import torch
from torch import Size, Tensor, nn

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.grid import grid, recipes_at
from hpt_ray.spec.study import Study, Weights


@torch.no_grad()
def rebuild(network: nn.Module, channels: int, name: str) -> None:
    """Give a network that takes three channels a new stem for others, drawn from torch's generator.

    Its weights are normal, with the standard deviation of those that the network had, times sqrt(3 / channels): of
    inputs with unit variance the outputs keep theirs, as in He et al. (arXiv 1502.01852), section 2.2.

    Args:
        name: what an error calls the network.

    Raises:
        StudyError: for a network whose first convolution does not take three channels.
    """
    if channels == RGB:
        return
    stem = next((layer for layer in network.modules() if isinstance(layer, nn.Conv2d)), None)
    if stem is None or stem.in_channels != RGB or stem.groups != 1:
        raise StudyError(
            f"backbone {name} does not begin with a convolution of three channels, so it cannot take {channels}: "
            "choose another, or write channels=3."
        )
    old = stem.weight
    new = old.new_empty((len(old), channels, *old.shape[2:])).normal_()
    stem.weight = nn.Parameter(new.mul_(old.std() * math.sqrt(RGB / channels)))
    stem.in_channels = channels


def name_of(state: Mapping[str, Tensor]) -> str | None:
    """What a network's tensors, in its order, call the weights of its stem; None without a convolution."""
    return next((name for name, tensor in state.items() if tensor.ndim == 4), None)


def channels_of(state: Mapping[str, Tensor]) -> int:
    """The channels of the images that a network's tensors, in its order, are made for: 3 without a convolution."""
    name = name_of(state)
    return RGB if name is None else state[name].shape[1]


def can_adapt(name: str, shape: Size, expected: Mapping[str, Tensor]) -> bool:
    """Whether a tensor of a file, of this shape, is the stem of the same network for another number of channels.

    Args:
        name: what the network calls the tensor. expected: all of the network's tensors, in its order.
    """
    wanted = expected[name].shape
    return name == name_of(expected) and len(shape) == 4 and (shape[0], *shape[2:]) == (wanted[0], *wanted[2:])


def adapt(weights: Tensor, channels: int) -> Tensor:
    """A stem's weights [out, in, h, w] for other channels: [out, channels, h, w].

    For one channel the sum over all, which gives for grey what repeated grey gave. Else the channels are repeated in
    their order, or the last ones left out, and scaled by in / channels, so that activations keep their size. This is
    ``timm.models.adapt_input_conv``.
    """
    given = weights.shape[1]
    if channels == given:
        return weights
    exact = weights.float()
    if channels == 1:
        adapted = exact.sum(dim=1, keepdim=True)
    else:
        adapted = exact[:, torch.arange(channels) % given] * (given / channels)
    return adapted.to(weights.dtype)


def told(given: int, channels: int) -> str:
    """What ``adapt`` does, in words: completes "the first layer ..."."""
    before = f"of {given} channel{'s' if given > 1 else ''}"
    if channels == 1:
        return f"{before} becomes one of 1: the sum of its weights, as timm does"
    how = "its weights repeated in their order" if channels > given else f"the weights of the first {channels}"
    return f"{before} becomes one of {channels}: {how}, scaled by {given}/{channels} as timm does"


def notes(study: Study, datasets: Mapping[str, Dataset], weights: Mapping[str, int]) -> list[str]:
    """A line for every change of channels along the study's arms, of phases and of evaluations.

    Args:
        weights: the channels of the images that given weights are made for, by their source.
    """
    lines = dict[str, None]()
    for levels in grid(study):
        recipes = recipes_at(study, levels)
        for target in study.targets:
            for arm in study.arms:
                steps = []
                for phase in arm.phases:
                    recipe = recipes[phase.role]
                    if isinstance(recipe, Weights):
                        steps.append((recipe.source, weights[recipe.source]))
                    else:
                        data = datasets[recipe.data or target]
                        steps.append((data.name, data.channels))
                tested = [datasets[item.data or target] for item in study.evaluations]
                ends = [(data.name, data.channels) for data in tested]
                for (before, given), (after, channels) in [*pairwise(steps), *product(steps[-1:], ends)]:
                    if given != channels:
                        lines[f"From {before} to {after} the first layer {told(given, channels)}."] = None
    return list(lines)
