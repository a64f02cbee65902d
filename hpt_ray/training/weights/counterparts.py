"""In which libraries a backbone's weights load: where a network of theirs has the same tensors and the same features.

torchvision and timm name the tensors of a ResNet alike, and those of most other networks not. What is promised is
tried: the weights are loaded by the library's network, and both networks have to make the same features.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Literal

import torch
from torch import Tensor

from hpt_ray.core import registry
from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError, WeightsError
from hpt_ray.training import stem
from hpt_ray.training.backbone import Backbone, build, is_own_file, outline
from hpt_ray.training.features import evaluating
from hpt_ray.training.weights.checkpoints import tensors

Layout = Literal["torchvision", "timm", "safetensors"]

#: The backbones of this package that are a library's network, by its name there.
PUBLISHED = {"resnet18": "torchvision/resnet18", "resnet50": "torchvision/resnet50"}
#: How a layout's file has to be named: timm looks at the suffix.
SUFFIXES: dict[Layout, str] = {"torchvision": ".pth", "timm": ".safetensors", "safetensors": ".safetensors"}
#: How far features of equal networks may be apart, relative to the largest: libraries order some sums differently.
ROUNDING = 1e-4


def usual(backbone: str) -> Layout:
    """The layout of the library that a backbone is from; its own where it is from none."""
    library, _ = registry.family("backbones", PUBLISHED.get(backbone, backbone))
    return "torchvision" if library == "torchvision" else "timm" if library == "timm" else "safetensors"


def loading(backbone: str, layout: Layout, image_size: int, file: str, channels: int = RGB) -> str:
    """The Python that loads an exported file, as a user may paste it; ``channels`` are those of its images.

    Raises:
        StudyError: where the library is not installed, or has no such network.
    """
    if layout == "safetensors":
        named = f", backbone={backbone!r}" if is_own_file(backbone) else ""
        return f"import hpt_ray\n\nnetwork = hpt_ray.load_backbone({file!r}{named})"
    family = importlib.import_module(f"hpt_ray.training.backbones.{layout}")
    text: str = family.loading(_name_in(layout, backbone), image_size, file, channels)
    return text


def check(backbone: str, layout: Layout, image_size: int, state: Mapping[str, Tensor]) -> None:
    """Load weights into the library's network and compare its features with the backbone's.

    Args:
        backbone: by its name in a study. state: its weights, by its own names.

    Raises:
        WeightsError: where the library has no such network, saying what the backbone can be exported to.
    """
    if layout == "safetensors" or _agree(backbone, layout, image_size, state):
        return
    possible = [usual(backbone)] if usual(backbone) not in ("safetensors", layout) else []
    choices = " or ".join(f"--to {each}" for each in [*possible, "safetensors"])
    raise WeightsError(f"backbone {backbone} is no network of {layout}'s with the same tensors: export it {choices}.")


def _agree(backbone: str, layout: Layout, image_size: int, state: Mapping[str, Tensor]) -> bool:
    """Whether the library's network of the same name has the same tensors and makes the same features of images."""
    if usual(backbone) == "safetensors":
        return False
    theirs, channels = f"{layout}/{_name_in(layout, backbone)}", stem.channels_of(state)
    try:
        expected = tensors(outline(theirs, image_size, channels))
    except StudyError:
        if layout == usual(backbone) or find_spec(layout) is None:
            raise
        return False
    if {name: tensor.shape for name, tensor in expected.items()} != {name: each.shape for name, each in state.items()}:
        return False
    images = torch.rand(2, channels, image_size, image_size, generator=torch.Generator().manual_seed(0))
    own, other = (_features(build(name, 0, image_size, channels), state, images) for name in (backbone, theirs))
    return own.shape == other.shape and bool((own - other).abs().max() <= ROUNDING * own.abs().max())


@torch.no_grad()
def _features(network: Backbone, state: Mapping[str, Tensor], images: Tensor) -> Tensor:
    network.load_state_dict(dict(state), strict=False)  # counters of batches are missing; names were compared
    with evaluating(network, torch.device("cpu")):
        features: Tensor = network(images)
    return features


def _name_in(layout: Layout, backbone: str) -> str:
    """What a library would call the backbone: timm adds a tag to the names of published versions."""
    library, name = registry.family("backbones", PUBLISHED.get(backbone, backbone))
    return (name or "") if library == layout else (name or "").partition(".")[0]
