"""torchvision's ResNet-50 without its classifier: 2048 features, the paper's backbone."""

from __future__ import annotations

from hpt_ray.training.backbone import Backbone


def backbone() -> Backbone:
    """[n, 3, S, S] -> [n, 2048], 23.5 million parameters (He et al. 2015, arXiv 1512.03385)."""
    from torchvision.models import resnet50  # here, so that a name can be checked without it

    layers = {name: layer for name, layer in resnet50().named_children() if name != "fc"}
    return Backbone(layers, dim=2048)
