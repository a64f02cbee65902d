"""DINO: a student predicts which prototypes its own momentum average assigns to another view of the image.

Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (arXiv 2104.14294), Algorithm 1: the
teacher's outputs are centred and sharpened, which keeps both from collapsing. Defaults are the authors': temperatures
0.1 and 0.04, teacher momentum from 0.996 to 1, center momentum 0.9, a head of two hidden layers of 2,048, a bottleneck
of 256 and 65,536 prototypes of length 1, without batch norm, for vision transformers and ResNets alike.

As in their training, views of one size pass a network together, here those of a group. They hold the last layer still
during the first epoch and may warm the teacher's temperature up, which is left out here: a budget need not have epochs.
The center is that of the global batch, whatever the number of workers.
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

Share = Annotated[float, Field(ge=0, le=1)]
Temperature = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


def self_distillation(students: Tensor, teachers: Tensor, student_temperature: float, temperature: float) -> Tensor:
    """The mean cross entropy of each student's view with each teacher's view of the same image but itself (eq. 3).

    Args:
        students: outputs [s, n, K] of s views of n images. teachers: [t, n, K], centred, of the first t of them.
    """
    targets = F.softmax(teachers / temperature, dim=-1)
    predictions = F.log_softmax(students / student_temperature, dim=-1)
    pairs = -torch.einsum("tnk,snk->ts", targets, predictions) / students.shape[1]
    same = pairs.diagonal()
    return (pairs.sum() - same.sum()) / (pairs.numel() - same.numel())


class Prototypes(nn.Module):
    """Normalised projections [n, d] -> their cosines [n, count] with prototypes: a weight-normalised linear layer."""

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(dim, count, bias=False).weight.detach())

    def forward(self, projections: Tensor) -> Tensor:
        with torch.autocast(projections.device.type, enabled=False):  # outputs at a low temperature need all their bits
            rows = F.normalize(projections.float(), dim=1)
            outputs: Tensor = F.linear(rows, F.normalize(self.weight, dim=1))
        return outputs


class Assigned(Projected):
    """A backbone with a projection head, and the prototypes that its projections are compared with."""

    def __init__(self, backbone: Backbone, head: nn.Module, prototypes: Prototypes) -> None:
        super().__init__(backbone, head)
        self.prototypes = prototypes

    def forward(self, images: Tensor) -> Tensor:
        return self.with_projections(images)[1]

    def with_projections(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [n, C, S, S] -> projections [n, d] and outputs [n, count]."""
        projections = super().forward(images)
        return projections, self.prototypes(projections)


def projector(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Three linear layers, GELU between them; initial weights as in vision transformers."""
    layers = [nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, outputs)]
    for layer in layers:
        if isinstance(layer, nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class DINO(Method):
    """Student trained by gradient, teacher by momentum, and the center of the teacher's outputs."""

    center: Tensor

    class Options(Frozen):
        student_temperature: Temperature = 0.1
        temperature: Temperature = 0.04
        momentum: Share = 0.996
        center_momentum: Share = 0.9
        hidden: Count = 2048
        dim: Count = 256
        prototypes: Count = 65_536

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.given = options
        with initialised(seed, "head"):
            head = projector(backbone.dim, options.hidden, options.dim)
            student = Assigned(backbone, head, Prototypes(options.dim, options.prototypes))
        self.student, self.teacher = student, follower(student)
        self.register_buffer("center", torch.zeros(options.prototypes))
        self._latest = torch.empty(0, options.dim)

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        given = self.given
        if batch.iteration > 0:  # the update that ends an iteration comes after its optimiser step: now
            momentum = target_momentum(given.momentum, batch.iteration - 1, batch.iterations, batch.trunk)
            follow(self.teacher, self.bare_student, momentum)
        share = workers.share(batch.groups)
        total, projections, means = torch.zeros((), device=workers.device), [], []
        for first, second, exchange in zip(batch.view(0), batch.view(1), self.exchanges(len(share)), strict=True):
            images = torch.cat([first, second])
            with torch.no_grad():
                projected, outputs = self.teacher.with_projections(images)
            projections.append(F.normalize(projected[len(first) :].float(), dim=1))
            means.append(outputs.mean(dim=0))
            with exchange:
                views = self.student(images).view(2, len(first), -1)
                targets = (outputs - self.center).view_as(views)
                loss = self_distillation(views, targets, given.student_temperature, given.temperature) / len(share)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._latest = workers.gather(torch.cat(projections))
        self.center.lerp_(workers.gather(torch.stack(means)).mean(dim=0), 1 - given.center_momentum)
        return total

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = DINO
