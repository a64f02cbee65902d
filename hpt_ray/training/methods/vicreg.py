"""VICReg: views of an image agree, each output varies over the images, and no two outputs vary together.

Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning" (arXiv 2105.04906),
Algorithm 1: no negatives, no teacher, no queue. Defaults are the paper's for ResNet-50, and used for vision
transformers too: weights 25, 25 and 1, an expander of three layers of 8,192.

The authors normalise each view by itself. Here both views of a group pass the network together, as in the other methods
whose loss is of the whole batch; variances and covariances are of the global batch, whatever the number of workers.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.heads import projector
from hpt_ray.training.method import Batch, Method, Projected, initialised
from hpt_ray.training.whole_batch import backward, project_pairs, views_of
from hpt_ray.training.workers import Workers

#: Keeps the slope of a standard deviation finite where an output does not vary (eq. 2).
EPSILON = 1e-4


def vicreg(views: Tensor, invariance: float, variance: float, covariance: float) -> Tensor:
    """The loss of the outputs [2, n, d] of two views of n images (arXiv 2105.04906, eq. 6).

    Args:
        invariance, variance, covariance: the weights of the mean squared distance of two views (eq. 5), of what each
            output's standard deviation lacks to 1 (eq. 1), and of the squared covariances of any two outputs (eq. 4).
    """
    distance = F.mse_loss(views[0], views[1])
    lacking = F.relu(1 - torch.sqrt(views.var(dim=1) + EPSILON)).mean()
    centred = views - views.mean(dim=1, keepdim=True)
    covariances = centred.transpose(1, 2) @ centred / (views.shape[1] - 1)
    squares = covariances.square().sum() - covariances.diagonal(dim1=1, dim2=2).square().sum()
    return invariance * distance + variance * lacking + covariance * squares / views.shape[2]


class VICReg(Method):
    """One network for both views, trained by gradient."""

    class Options(Frozen):
        invariance: Annotated[float, Field(gt=0)] = 25.0
        variance: Annotated[float, Field(gt=0)] = 25.0
        covariance: Annotated[float, Field(gt=0)] = 1.0
        hidden: Annotated[int, Field(gt=0)] = 8192
        dim: Annotated[int, Field(gt=0)] = 8192

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.weights = options.invariance, options.variance, options.covariance
        with initialised(seed, "head"):
            # Of a shift that all images have in common no term of the loss depends.
            head = projector(backbone.dim, options.hidden, options.dim, bias=False)
        self.student = Projected(backbone, head)
        self._latest = torch.empty(0, options.dim)

    @classmethod
    def check(cls, options: Options, batch: int) -> None:
        if batch < 2:
            raise StudyError("VICReg takes the variance over the images of a batch: use a batch of 2 or more.")

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        def loss_of(gathered: Tensor) -> Tensor:
            with torch.autocast(gathered.device.type, enabled=False):
                return vicreg(views_of(gathered, batch), *self.weights)

        loss, gathered = backward(project_pairs(self, batch, workers), loss_of, batch, workers)
        self._latest = F.normalize(gathered, dim=1)
        return loss

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = VICReg
