"""Distillation of features from the network that a phase starts from, beside the loss of any method: ``:keep``.

The loss is L + w K, where L is the method's and K is the sum, over the views that its student sees, of the mean over
the global batch of 1 - cos(f(x), f0(x)). f(x) are the pooled features of the student for a view x of an image, and
f0(x) those of the network as the phase began, frozen and in eval mode. Mendieta et al., "Towards Geospatial Foundation
Models via Continual Pretraining" (GFM, arXiv 2302.04476, section 3), add the cosine distance from a frozen teacher's
features with a weight of 1, the default here; they compare an intermediate stage behind a projector, and here it is the
features that are evaluated, which need none.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hpt_ray.training.backbone import Backbone


def distances(features: Tensor, kept: Tensor) -> Tensor:
    """1 - the cosine of the angle between the rows of two tensors [n, d] -> [n]."""
    return 1 - F.cosine_similarity(features.float(), kept.float(), dim=1)


class Distillation:
    """Adds the gradient of w K to that of a method, wherever in its step the student's backbone is passed.

    The gradient of each image depends on that image alone, so it is the same whichever worker has its group.

    Args:
        frozen: the network as the phase begins, in eval mode. weight: w.
        images: of the global batch that this worker has.
    """

    def __init__(self, frozen: Backbone, weight: float, images: int) -> None:
        self.frozen, self.weight, self.images = frozen, weight, images
        self._terms: list[Tensor] = []

    def follow(self, backbone: Backbone) -> None:
        """Keep the features of a backbone, from now on."""
        backbone.register_forward_hook(self._after_forward)

    def taken(self) -> Tensor | float:
        """This worker's w K since it was last asked for, detached."""
        term = sum(self._terms, start=0.0)
        self._terms.clear()
        return term

    def _after_forward(self, backbone: Any, inputs: tuple[Tensor, ...], features: Tensor) -> None:
        if not features.requires_grad:  # the monitor looks at the backbone, too
            return
        with torch.no_grad():
            kept = self.frozen(*inputs)
        with torch.enable_grad():
            own = features.detach().requires_grad_()
            term = self.weight * distances(own, kept).sum() / self.images
            (slope,) = torch.autograd.grad(term, own)
        features.register_hook(lambda gradient: gradient + slope)  # type: ignore[no-untyped-call]
        self._terms.append(term.detach())


def frozen_copy(backbone: Backbone) -> Backbone:
    """A network as it is now, without gradients and in eval mode."""
    return copy.deepcopy(backbone).requires_grad_(False).eval()
