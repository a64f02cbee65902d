"""MoCo-v2: momentum contrast with an MLP head.

He et al., "Momentum Contrast for Unsupervised Visual Representation Learning" (arXiv 1911.05722), Algorithm 1, and
Chen et al., "Improved Baselines with Momentum Contrastive Learning" (arXiv 2003.04297). Defaults as in Reed et al.
(arXiv 2103.12718): queue 65,536, key momentum 0.999, temperature 0.2, head d-d-128.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Method, Projected, follow, follower, initialised
from hpt_ray.training.workers import Workers


def info_nce(queries: Tensor, keys: Tensor, queue: Tensor, temperature: float) -> Tensor:
    """InfoNCE of each query against its key and a queue of negatives (MoCo, eq. 1).

    Args:
        queries, keys: [n, d], normalised; row i of ``keys`` is the positive of row i of ``queries``.
        queue: [K, d], normalised negatives.

    Returns:
        The mean loss over the n queries.
    """
    with torch.autocast(queries.device.type, enabled=False):  # logits at a low temperature need all their bits
        positive = (queries * keys).sum(dim=1, keepdim=True)
        logits = torch.cat([positive, queries @ queue.T], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))


class MoCoV2(Method):
    """Query network trained by gradient, key network by momentum, and a first-in first-out queue of keys."""

    loss_text = "MoCo's loss rises at first, while its queue of negatives fills with keys, and falls afterwards."

    views = ("batch", "shuffled")

    class Options(Frozen):
        queue: Annotated[int, Field(gt=0)] = 65_536
        key_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.999
        temperature: Annotated[float, Field(gt=0)] = 0.2
        dim: Annotated[int, Field(gt=0)] = 128

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.momentum, self.temperature = options.key_momentum, options.temperature
        with initialised(seed, "head"):
            head = nn.Sequential(nn.Linear(backbone.dim, backbone.dim), nn.ReLU(), nn.Linear(backbone.dim, options.dim))
        with initialised(seed, "queue"):
            queue = F.normalize(torch.randn(options.queue, options.dim), dim=1)
        self.student = Projected(backbone, head)
        self.key = follower(self.student)
        self.register_buffer("queue", queue)
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))
        self.queue: Tensor
        self.pointer: Tensor
        self._latest = queue[:0]

    @classmethod
    def check(cls, options: Options, batch: int) -> None:
        if options.queue % batch:
            largest = min(batch, options.queue, 65_536)  # no batch is larger, and the search below is soon over
            fitting = next(size for size in range(largest, 0, -1) if options.queue % size == 0)
            raise StudyError(
                f"MoCo's queue of {options.queue} is not a multiple of the batch of {batch}: "
                f"set a batch that divides it, such as {fitting}, and a group that divides the batch."
            )

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        follow(self.key, self.bare_student, self.momentum)
        share = workers.share(batch.groups)
        keys = self._keys(batch, workers)
        total = torch.zeros((), device=keys.device)
        positives = torch.split(keys, batch.group)[share.start : share.stop]
        for images, positive, exchange in zip(batch.view(0), positives, self.exchanges(len(share)), strict=True):
            with exchange:
                queries = F.normalize(self.student(images).float(), dim=1)
                loss = info_nce(queries, positive, self.queue, self.temperature) / len(share)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self._enqueue(keys)
        return total

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()

    @torch.no_grad()
    def _keys(self, batch: Batch, workers: Workers) -> Tensor:
        """The keys [batch, d] of the whole batch, each computed among images of a shuffled group.

        Shuffling keeps a query's positive out of the statistics of the query's own group, which would otherwise give
        the answer away (MoCo, section 3.3, "shuffling BN"). Augmentation draws are known to every worker, so a worker
        makes the views of its shuffled images itself: only keys travel, never images.
        """
        parts = [self.key(images).float() for images in batch.view(1)]
        gathered = workers.gather(F.normalize(torch.cat(parts), dim=1))
        keys = torch.empty_like(gathered)
        keys[batch.shuffled] = gathered
        self._latest = keys
        return keys

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        slots = (self.pointer + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[slots] = keys
        self.pointer += len(keys)
        self.pointer %= len(self.queue)


method = MoCoV2
