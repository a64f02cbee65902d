"""timm's networks by name: timm/resnet26, timm/vit_small_patch16_224 (pip install 'hpt_ray[timm]')."""

from __future__ import annotations

from typing import Any

from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.backbones._published import published, unknown


def backbone(name: str, image_size: int | None) -> Backbone:
    """[n, 3, S, S] -> [n, dim]: what timm makes with ``num_classes=0``, the pooled features before the classifier.

    Raises:
        StudyError: without timm, for a name that it does not have, or a network that does not fit (an encoder that
            does not pool, a size that it does not take).
    """
    try:
        import timm
    except ImportError as error:
        raise StudyError(f"backbone timm/{name} needs timm: pip install 'hpt_ray[timm]'.") from error

    # An architecture, or one of its published versions: resnet50, resnet50.a1_in1k.
    if not timm.is_model(name) or ("." in name and name not in timm.list_models(pretrained=True)):
        raise unknown("timm", name, timm.list_models())

    def make() -> nn.Module:
        return timm.create_model(name, pretrained=False, num_classes=0, **resized)

    config = timm.get_pretrained_cfg(name)
    own_size = config.input_size[-1] if config else 224
    size = image_size or own_size
    # A network made for one size is made for ours; others take any, and know no such option.
    resized: dict[str, Any] = {"img_size": size} if config and config.fixed_input_size and size != own_size else {}
    return published(make, f"timm/{name}", size)
