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

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.spec.grid import grid, recipes_at
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import find


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
        self._added = 0  # gradients; each term has one

    def follow(self, backbone: Backbone) -> None:
        """Keep the features of a backbone, from now on."""
        backbone.register_forward_hook(self._after_forward)

    def taken(self) -> Tensor:
        """This worker's w K in the step that ends, detached.

        Raises:
            StageError: for a method whose loss is not of the features, to which nothing was added.
        """
        if not self._terms or self._added != len(self._terms):
            raise StageError("the loss of this method is not of the backbone's features, which ':keep' would hold.")
        term = torch.stack(self._terms).sum()
        self._terms.clear()
        self._added = 0
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

        def add(gradient: Tensor) -> Tensor:
            self._added += 1
            return gradient + slope

        features.register_hook(add)  # type: ignore[no-untyped-call]
        self._terms.append(term.detach())


def check(study: Study) -> None:
    """Refuse ``:keep`` with a method whose loss is not of the features that it would hold.

    Raises:
        StudyError: otherwise.
    """
    kept = {phase.role for arm in study.arms for phase in arm.phases if phase.tune == "keep"}
    for levels in grid(study) if kept else ():
        for role, recipe in recipes_at(study, levels).items():
            if role in kept and isinstance(recipe, Pretraining) and not find(recipe.method).of_features:
                raise StudyError(
                    f"study {study.name}: ':keep' holds the backbone's features, of which the loss of {recipe.method} "
                    "is not: leave such arms out, or choose another method."
                )


def frozen_copy(backbone: Backbone) -> Backbone:
    """A network as it is now, without gradients and in eval mode."""
    return copy.deepcopy(backbone).requires_grad_(False).eval()
