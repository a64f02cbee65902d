"""torchvision's ResNet-18 without its classifier: 512 features."""

from __future__ import annotations

from hpt_ray.training.backbone import Backbone


def backbone() -> Backbone:
    """[n, 3, S, S] -> [n, 512], 11.2 million parameters (He et al. 2015, arXiv 1512.03385)."""
    from torchvision.models import resnet18  # here, so that a name can be checked without it

    layers = {name: layer for name, layer in resnet18().named_children() if name != "fc"}
    return Backbone(layers, dim=512)
