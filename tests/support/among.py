"""Several workers that share a batch, one after the other in one process."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hpt_ray.training.workers import Workers


@dataclass(frozen=True)
class Among(Workers):
    """One of several workers: it sees what the others were seen to send."""

    seen: dict[int, Tensor] = field(default_factory=dict)

    def gather(self, tensor: Tensor) -> Tensor:
        self.seen[self.rank] = tensor.clone()
        return torch.cat([self.seen.get(rank, tensor) for rank in range(self.size)])
