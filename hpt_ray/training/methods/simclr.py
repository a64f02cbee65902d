"""SimCLR: contrast of two views of each image with all other views of the batch.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (arXiv 2002.05709): NT-Xent (eq. 1)
over the 2N views of the global batch, the head of its section 2.1 (d-d-128; the authors' code adds batch norm to it),
temperature 0.1, the best on ImageNet (Table 5). Learning rate and schedule are the recipe's.

The authors normalise both views of the batch together, in one pass (their code concatenates them), by statistics of
all devices, since positives among the statistics of their own device give the answer away; as another remedy they name
shuffling (section 2.2). Here groups are the unit, so a group's first views pass together with second views of images
of a shuffled group: whether two views shared a group then says next to nothing about whether they are a pair. Of one
group this is the authors' own training.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Method, Projected, initialised
from hpt_ray.training.whole_batch import backward, project_pairs
from hpt_ray.training.workers import Workers


def nt_xent(projections: Tensor, partners: Tensor, temperature: float) -> Tensor:
    """The normalised temperature-scaled cross entropy (SimCLR, eq. 1): each view against all others.

    Args:
        projections: [m, d], normalised. partners: [m], the row of the other view of each row's image.

    Returns:
        The mean loss over the m views.
    """
    with torch.autocast(projections.device.type, enabled=False):  # logits at a low temperature need all their bits
        logits = projections @ projections.T / temperature
    return F.cross_entropy(logits.fill_diagonal_(-torch.inf), partners)


def partners_of(images: Tensor) -> Tensor:
    """Rows' images [m], each of them in two rows -> for each row the other row of its image."""
    pairs = images.argsort().view(-1, 2)
    partners = torch.empty_like(images)
    partners[pairs] = pairs.flip(1)
    return partners


class SimCLR(Method):
    """One network for both views, trained by gradient."""

    views = ("batch", "shuffled")

    class Options(Frozen):
        temperature: Annotated[float, Field(gt=0)] = 0.1
        dim: Annotated[int, Field(gt=0)] = 128

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.temperature = options.temperature
        with initialised(seed, "head"):
            head = nn.Sequential(nn.Linear(backbone.dim, backbone.dim), nn.ReLU(), nn.Linear(backbone.dim, options.dim))
        self.student = Projected(backbone, head)
        self._latest = torch.empty(0, options.dim)

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        projections = F.normalize(project_pairs(self, batch, workers), dim=1)
        # A view has its own term in the loss and is a negative in all others, also in those of other workers' views.
        in_order = torch.arange(batch.size, device=batch.shuffled.device)
        rows = torch.cat([in_order.view(-1, batch.group), batch.shuffled.view(-1, batch.group)], dim=1).flatten()

        def loss_of(gathered: Tensor) -> Tensor:
            return nt_xent(gathered, partners_of(rows), self.temperature)

        loss, self._latest = backward(projections, loss_of, batch, workers)
        return loss

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = SimCLR
