"""What a self-supervised method is to the training loop: networks, and one step over a batch of groups."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hpt_ray.errors import StudyError
from hpt_ray.policy import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.workers import Workers


@dataclass(frozen=True)
class Batch:
    """One iteration's global batch, cut into groups; views are made only for the images a worker needs.

    Attributes:
        iteration: counts from 0.
        size: images in the global batch. group: images in a normalisation group.
        view: (positions in the global batch [n], which view: 0 or 1) -> images [n, 3, S, S].
    """

    iteration: int
    size: int
    group: int
    view: Callable[[Tensor, int], Tensor]

    @property
    def groups(self) -> int:
        return self.size // self.group

    def positions(self, groups: range) -> Tensor:
        """Positions in the global batch of some consecutive groups' images."""
        return torch.arange(groups.start * self.group, groups.stop * self.group)


class Method(nn.Module, ABC):
    """A self-supervised method over a backbone. Subclasses define ``Options`` and ``step``.

    ``self.student`` is what the optimiser trains: a module whose ``backbone`` is kept after the stage; everything else
    (heads, teachers, queues) is the method's own and dropped.
    """

    Options: type[Frozen]
    student: nn.Module

    @classmethod
    def options(cls, values: dict[str, Any]) -> Any:
        """Validated options. Raises StudyError naming the option that is wrong."""
        unknown = set(values) - set(cls.Options.model_fields)
        if unknown:
            raise StudyError(
                f"{cls.__name__} has no option {min(unknown)!r}; it has: {', '.join(sorted(cls.Options.model_fields))}."
            )
        try:
            return cls.Options.model_validate(values)
        except ValueError as error:
            raise StudyError(f"{cls.__name__}: {error}") from error

    @classmethod
    def check(cls, options: Any, batch: int) -> None:
        """Refuse a global batch that the method cannot work with. Raises StudyError."""

    @abstractmethod
    def step(self, batch: Batch, workers: Workers) -> Tensor:
        """Accumulate the gradients of this worker's groups, scaled so that the mean over workers is the gradient of the
        mean loss over the global batch.

        Returns:
            This worker's mean loss (detached, on the device).
        """

    @abstractmethod
    def feature_std(self) -> Tensor:
        """Mean over dimensions of the standard deviation of the last normalised projections: near 0 is collapse,
        1/sqrt(dimensions) is uniform on the sphere (Chen and He, arXiv 2011.10566)."""

    def distribute(self, workers: Workers) -> None:
        """Let the workers average the student's gradients during backward."""
        if workers.size > 1:
            ids = [workers.device.index] if workers.device.type == "cuda" else None
            with warnings.catch_warnings():
                # Its successor is not in every torch that is supported, and running statistics stay a worker's own.
                warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
                self.student = DistributedDataParallel(
                    self.student, device_ids=ids, broadcast_buffers=False, gradient_as_bucket_view=True
                )

    @property
    def bare_student(self) -> nn.Module:
        """The student without its distributed wrapper."""
        inner = self.student.module if isinstance(self.student, DistributedDataParallel) else self.student
        assert isinstance(inner, nn.Module)
        return inner

    def exchanges(self, groups: int) -> Iterator[AbstractContextManager[None]]:
        """For each of a worker's groups the context of its forward and backward: only the last exchanges gradients."""
        for group in range(groups):
            student = self.student
            if isinstance(student, DistributedDataParallel) and group < groups - 1:
                yield student.no_sync()
            else:
                yield nullcontext()


class Projected(nn.Module):
    """A backbone with a projection head."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        projection: Tensor = self.head(self.backbone(images))
        return projection


def precision_context(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Autocast to bfloat16, or nothing for float32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")
