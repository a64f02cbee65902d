"""BYOL: an online network predicts the projections of its own momentum average.

Grill et al., "Bootstrap Your Own Latent" (arXiv 2006.07733), Algorithm 1. Defaults as in Reed et al. (arXiv
2103.12718): projector and predictor with a hidden layer of 4,096 and 256 outputs, target momentum from 0.99 to 1.

The authors normalise each view of the batch by itself, and synchronise batch norm over all devices. Here a
normalisation group is the unit, in backbone and heads alike, which is what makes the numbers independent of the
workers; with a group as large as the batch it is the authors' own training. As in their training, the backbone's
running statistics move twice per iteration: first towards the mean of the groups' statistics of view 0, then of view 1.
Those of the heads and the target would never be used, so none are kept.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Method, Projected, follow, follower, initialised, target_momentum
from hpt_ray.training.workers import Workers


def regression_loss(predictions: Tensor, targets: Tensor) -> Tensor:
    """The mean over rows of 2 - 2 cosine similarity (BYOL, eq. 2). Both are [n, d]; ``targets`` are normalised."""
    return 2 - 2 * (F.normalize(predictions, dim=1) * targets).sum(dim=1).mean()


def perceptron(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Linear, batch norm, ReLU, linear (BYOL, section 3.3); batch norm takes the first one's bias away."""
    return nn.Sequential(
        nn.Linear(inputs, hidden, bias=False),
        nn.BatchNorm1d(hidden, track_running_stats=False),
        nn.ReLU(),
        nn.Linear(hidden, outputs),
    )


class Predicted(Projected):
    """A backbone with a projection head and a predictor of another network's projections."""

    def __init__(self, backbone: Backbone, head: nn.Module, predictor: nn.Module) -> None:
        super().__init__(backbone, head)
        self.predictor = predictor

    def forward(self, images: Tensor) -> Tensor:
        prediction: Tensor = self.predictor(super().forward(images))
        return prediction


class BYOL(Method):
    """Online network trained by gradient, target network by momentum."""

    class Options(Frozen):
        momentum: Annotated[float, Field(ge=0, le=1)] = 0.99
        hidden: Annotated[int, Field(gt=0)] = 4096
        dim: Annotated[int, Field(gt=0)] = 256

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.momentum = options.momentum
        with initialised(seed, "head"):
            projector = perceptron(backbone.dim, options.hidden, options.dim)
            predictor = perceptron(options.dim, options.hidden, options.dim)
        self.student = Predicted(backbone, projector, predictor)
        self.target = follower(Projected(backbone, projector))
        self._latest = torch.empty(0, options.dim)

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        if batch.iteration > 0:  # the update that ends an iteration (BYOL, eq. 1) comes after its optimiser step: now
            momentum = target_momentum(self.momentum, batch.iteration - 1, batch.iterations, batch.trunk)
            follow(self.target, self.bare_student, momentum)
        share = workers.share(batch.groups)
        views = [batch.view(which) for which in (0, 1)]
        targets = [self._targets(groups) for groups in views]
        total = torch.zeros((), device=targets[0][0].device)
        # Every group's view 0 passes before any view 1, on any number of workers: running statistics follow the order.
        pairs = zip(views[0] + views[1], targets[1] + targets[0], strict=True)
        for (images, target), exchange in zip(pairs, self.exchanges(2 * len(share)), strict=True):
            with exchange:
                loss = regression_loss(self.student(images).float(), target) / len(share)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._latest = workers.gather(torch.cat(targets[1]))
        return total

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()

    @torch.no_grad()
    def _targets(self, groups: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The normalised projections [group, d] of one view of each group."""
        return tuple(F.normalize(self.target(images).float(), dim=1) for images in groups)


method = BYOL
