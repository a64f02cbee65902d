"""Supervised pretraining: cross entropy of a linear classifier on the backbone's features.

The base that Reed et al. (arXiv 2103.12718) compare self-supervised ones with is ImageNet with labels. One view of each
image (view 0), under the same policy, schedule and normalisation groups as the self-supervised methods, from the
labelled images of the train split: the labels of val stay for choosing.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpt_ray.core.errors import DataError
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Method, initialised
from hpt_ray.training.workers import Workers


class Classified(nn.Module):
    """A backbone with a linear classifier: images [n, C, S, S] -> logits [n, classes] and features [n, d]."""

    def __init__(self, backbone: Backbone, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(images)
        return self.classifier(features), features


class Supervised(Method):
    """One network, trained by gradient; the classifier is dropped after the stage."""

    supervised = True
    views = ("batch",)

    class Options(Frozen):
        """There are none."""

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        if classes < 2:
            raise DataError(
                f"supervised pretraining needs labels of two classes or more, and this data set has {classes}: "
                "use a self-supervised method or a labelled data set."
            )
        with initialised(seed, "head"):
            classifier = nn.Linear(backbone.dim, classes)
        self.student = Classified(backbone, classifier)
        self._latest = torch.empty(0, backbone.dim)

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        share = workers.share(batch.groups)
        total = torch.zeros((), device=workers.device)
        parts = []
        for images, targets, exchange in zip(batch.view(0), batch.labels, self.exchanges(len(share)), strict=True):
            with exchange:
                logits, features = self.student(images)
                loss = F.cross_entropy(logits.float(), targets) / len(share)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            parts.append(features.detach())
        self._latest = workers.gather(F.normalize(torch.cat(parts).float(), dim=1))
        return total

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = Supervised
