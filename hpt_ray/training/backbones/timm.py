"""timm's networks by name: timm/resnet26, timm/vit_small_patch16_224 (pip install 'hpt_ray[timm]')."""

from __future__ import annotations

from typing import Any

from torch import nn

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.backbones._published import published, unknown


def backbone(name: str, image_size: int | None) -> Backbone:
    """[n, 3, S, S] -> [n, dim]: what timm makes with ``num_classes=0``, the pooled features before the classifier.

    Raises:
        StudyError: without timm, for a name that it does not have, or a network that does not fit (an encoder that
            does not pool, a size that it does not take).
    """
    timm = _library(name)
    # An architecture, or one of its published versions: resnet50, resnet50.a1_in1k.
    if not timm.is_model(name) or ("." in name and name not in timm.list_models(pretrained=True)):
        raise unknown("timm", name, timm.list_models())

    def make() -> nn.Module:
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, **resized)
        return network

    size, resized = _resized(name, image_size)
    return published(make, f"timm/{name}", size)


def loading(name: str, image_size: int, file: str, channels: int) -> str:
    """Python that makes the network without its classifier and loads a file of its weights, strictly."""
    given = _resized(name, image_size)[1] | ({} if channels == RGB else {"in_chans": channels})
    options = "".join(f", {option}={value!r}" for option, value in given.items())
    return f"""import timm

network = timm.create_model({name!r}, num_classes=0{options}, checkpoint_path={file!r})
network.eval()"""


def _library(name: str) -> Any:
    """The module timm. Raises StudyError where it is not installed."""
    try:
        import timm
    except ImportError as error:
        raise StudyError(f"backbone timm/{name} needs timm: pip install 'hpt_ray[timm]'.") from error
    return timm


def _resized(name: str, image_size: int | None) -> tuple[int, dict[str, Any]]:
    """The side of the images, and what timm must be told of it."""
    config = _library(name).get_pretrained_cfg(name)
    own_size = config.input_size[-1] if config else 224
    size = image_size or own_size
    # A network made for one size is made for ours; others take any, and know no such option.
    return size, {"img_size": size} if config and config.fixed_input_size and size != own_size else {}
