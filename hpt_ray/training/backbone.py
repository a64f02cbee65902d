"""The backbone: images in, one pooled feature vector per image out.

A file of ``backbones/`` defines ``backbone() -> Backbone``, or ``backbone(name, image_size) -> Backbone`` for a whole
family of networks that are asked for as ``FAMILY/NAME`` (``timm/resnet18``). Layers keep the parameter names of
their published network (of torchvision's ResNets ``conv1``, ``bn1``, ``layer1`` ...), without the classifier, so that
published checkpoints fit by name.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from hpt_ray.core import registry
from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import derived_seed
from hpt_ray.training import dry_run, stem

Network = TypeVar("Network", bound=nn.Module)


class Backbone(nn.Sequential):
    """Named layers in sequence, the last of which pools.

    Args:
        layers: name -> layer, in the order of the forward pass; [n, 3, S, S] goes in, [n, dim, 1, 1] or [n, dim] comes
            out. ``build`` changes the first convolution for images of other channels.
        dim: the number of features.
    """

    def __init__(self, layers: Mapping[str, nn.Module], dim: int) -> None:
        super().__init__(OrderedDict(layers))
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """[n, C, S, S] normalised images -> [n, dim] features."""
        for layer in self:
            x = layer(x)
        return torch.flatten(x, 1)


def build(name: str, seed: int, image_size: int | None = None, channels: int = RGB) -> Backbone:
    """The backbone of that name, initialised from the seed's stream "init"; the global generator is not changed.

    Args:
        name: a file of ``backbones/``, ``FAMILY/NAME``, or the path of a Python file.
        image_size: side of the images in pixels, for networks that are made for one size (vision transformers); by
            default the size that a network was published for.
        channels: of the images; other than three have a stem of their own.

    Raises:
        UnknownNameError: lists what exists and the nearest match. StudyError: for a network that cannot be a backbone.
    """
    make = _maker(name, image_size)
    with torch.random.fork_rng(devices=[]):
        # The generator of the CPU alone: torch.manual_seed would reseed the accelerators too, which are not restored.
        torch.default_generator.manual_seed(derived_seed(seed, "init"))
        network = make()
        stem.rebuild(network, channels, name)
        return network


def outline(name: str, image_size: int | None = None, channels: int = RGB) -> Backbone:
    """The backbone without its numbers, on the meta device: names, shapes and types at no cost of memory.

    Raises:
        UnknownNameError, StudyError: as ``build``.
    """
    make = _maker(name, image_size)

    def rebuilt() -> Backbone:
        network = make()
        stem.rebuild(network, channels, name)
        return network

    return on_meta(rebuilt)


def on_meta(make: Callable[[], Network]) -> Network:
    """The network that ``make`` makes, on the meta device."""
    try:
        with torch.device("meta"), _WithoutDraws():
            return make()
    except NotImplementedError:
        # torchvision's RegNets read their widths from tensors while they are created.
        with torch.random.fork_rng(devices=[]):
            return make().to("meta")


class _WithoutDraws(TorchFunctionMode):
    """Skips random initial values on the meta device, which has no memory for them.

    Otherwise torch would import its compiler, which takes two seconds and leaves a folder in the shared temporary
    folder.
    """

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is Tensor.normal_:
            return args[0]
        return kwargs["tensor"] if function is nn.init.normal_ else function(*args, **(kwargs or {}))


def is_own_file(name: str) -> bool:
    """Whether a backbone is a user's Python file, and no name nor FAMILY/NAME."""
    return registry.is_path(name) and registry.family("backbones", name)[1] is None


def check(name: str, image_size: int) -> None:
    """Refuse a backbone that does not exist or cannot take such images, without making it.

    Raises:
        UnknownNameError, StudyError: as ``build``.
    """
    _maker(name, image_size)
    # Built-in backbones are tested; trying them here would cost a second and 150 MB for their libraries.
    if registry.is_path(name):
        network = outline(name, image_size)
        features = dry_run.features(network, name, image_size)
        if features != network.dim:
            raise StudyError(f"backbone {name} promises {network.dim} features and makes {features}: mend its dim.")


def check_channels(name: str, image_size: int, channels: int) -> None:
    """Refuse a backbone that cannot take images of so many channels, on the meta device.

    Raises:
        StudyError: as ``stem.rebuild``, or for a network that needs three channels elsewhere, too.
    """
    if channels != RGB:
        dry_run.features(outline(name, image_size, channels), name, image_size, channels)


def _maker(name: str, image_size: int | None) -> Callable[[], Backbone]:
    file, member = registry.family("backbones", name)
    make: Callable[..., Backbone] = registry.load("backbones", file)
    if bool(inspect.signature(make).parameters) != (member is not None):
        raise StudyError(
            f"backbone {name!r} is neither a name, nor FAMILY/NAME such as timm/resnet18, nor a path to a Python file: "
            "hpt-study list shows what there is."
        )
    return make if member is None else partial(make, member, image_size)
