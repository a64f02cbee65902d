"""torchvision's networks by name: torchvision/resnet101, torchvision/convnext_tiny, torchvision/vit_b_16."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision import models

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError
from hpt_ray.training import stem
from hpt_ray.training.backbone import Backbone, on_meta
from hpt_ray.training.backbones._published import published, unknown

CLASSES = 1000


def backbone(name: str, image_size: int | None) -> Backbone:
    """[n, 3, S, S] -> [n, dim]: what the network's last linear layer, its classifier, would be given.

    Raises:
        StudyError: for a name that torchvision does not have, or a network that does not fit (SqueezeNet, whose
            classifier is a convolution; a size that it does not take).
    """
    size = image_size or 224
    return published(lambda: _without_classifier(name, size), f"torchvision/{name}", size)


def loading(name: str, image_size: int, file: str, channels: int) -> str:
    """Python that makes the network without its classifier and loads a file of its weights, strictly."""
    options = "".join(f", {option}={value!r}" for option, value in _options(name, image_size).items())
    network = on_meta(lambda: _network(name, image_size))
    layers = {_classifier(network, name): "Identity()"}
    if channels != RGB:
        stem.rebuild(network, channels, f"torchvision/{name}")
        place = (stem.name_of(network.state_dict()) or "").removesuffix(".weight")
        layers[place] = repr(network.get_submodule(place))
    changed = "\n".join(f"network.set_submodule({place!r}, torch.nn.{layer})" for place, layer in layers.items())
    return f"""import torch, torchvision

network = torchvision.models.get_model({name!r}{options})
{changed}
network.load_state_dict(torch.load({file!r}, weights_only=True))
network.eval()"""


def _network(name: str, image_size: int) -> nn.Module:
    """The network with its classifier. Raises StudyError for a name that torchvision does not have."""
    known = models.list_models(module=models)
    if name not in known:
        raise unknown("torchvision", name, known)
    network: nn.Module = models.get_model(name, weights=None, **_options(name, image_size))
    return network


def _without_classifier(name: str, image_size: int) -> nn.Module:
    network = _network(name, image_size)
    network.set_submodule(_classifier(network, name), nn.Identity())
    return network


def _classifier(network: nn.Module, name: str) -> str:
    """The place of a network's last linear layer, which must be its classifier."""
    linear = {path: layer for path, layer in network.named_modules() if isinstance(layer, nn.Linear)}
    if not linear or list(linear.values())[-1].out_features != CLASSES:
        raise StudyError(f"torchvision/{name} ends in no linear classifier that could be taken off: choose another.")
    path: str = list(linear)[-1]
    return path


def _options(name: str, image_size: int) -> dict[str, Any]:
    """What a network must be told when it is made."""
    if name.startswith("vit_"):
        return {"image_size": image_size}
    if name.startswith("maxvit_"):
        return {"input_size": (image_size, image_size)}
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    return {}
