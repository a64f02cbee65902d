"""The workers of one stage: which normalisation groups each computes, and what they exchange.

A single worker needs no process group, so everything here also runs in a plain process. Several have two: one waits
for units and evaluations, which may take days, and one trains, where a worker that hangs must be noticed.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hpt_ray.core.errors import StudyError

CPU = torch.device("cpu")
#: How long workers wait for a unit, or for the evaluations of another worker.
WAITING = datetime.timedelta(days=365)
#: How long they wait for each other while they train, where at most a check of the monitor lies between two exchanges.
#: A worker that hangs for longer is lost: its group is restarted.
TRAINING = datetime.timedelta(minutes=30)


def peer_lost(error: Exception) -> bool:
    """Whether an error means that another worker of the stage has died, which is not a failure of the stage.

    NCCL has error types for it; messages of gloo only have the name of a source file.
    """
    return isinstance(error, dist.DistError) or "gloo/transport/" in str(error)


@dataclass(frozen=True)
class Workers:
    """This process's place among the workers of a stage.

    Attributes:
        training: the process group for what is exchanged while training; the default group is for all other waiting.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
    training: dist.ProcessGroup | None = None

    @classmethod
    def join(cls, rank: int, size: int, meeting: str, *, gpu: bool = True) -> Workers:
        """Connect to the other workers of a stage: over gloo, and while training over nccl where there are GPUs.

        Args:
            meeting: an address such as ``tcp://10.0.0.1:29500`` on the first worker, the same for all.
            gpu: whether to use a GPU if there is one.
        """
        gpu = gpu and torch.cuda.is_available()
        device = torch.device("cuda", 0) if gpu else CPU  # each worker sees its own GPU alone
        if gpu:
            torch.cuda.set_device(device)
        if size == 1:
            return cls(device=device)
        # That a worker died is noticed without a timeout.
        dist.init_process_group("gloo", init_method=meeting, timeout=WAITING, rank=rank, world_size=size)
        training = dist.new_group(backend="nccl" if gpu else "gloo", timeout=TRAINING)
        assert isinstance(training, dist.ProcessGroup)  # every worker is a member
        return cls(rank, size, device, training)

    def leave(self) -> None:
        """Leave the other workers, when all is done.

        The threads of gloo release tensors, for which they ask Python's lock: a process that ends meanwhile is aborted
        ("terminate called without an active exception"). This ends those of the default group, and lets those of the
        group for training end with this object. A process that is killed needs none of it.
        """
        if self.size > 1:
            dist.destroy_process_group()

    def share(self, groups: int) -> range:
        """The groups this worker computes: contiguous, equally many for each.

        Raises:
            StudyError: if the groups cannot be shared out equally.
        """
        if groups % self.size:
            raise StudyError(
                f"{groups} normalisation groups cannot be shared equally by {self.size} workers: "
                f"use a number of workers that divides {groups}."
            )
        each = groups // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def gather(self, tensor: Tensor) -> Tensor:
        """Concatenate equally shaped tensors of all workers, in training, along their first dimension in rank order."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous(), group=self.training)
        return torch.cat(parts)

    def broadcast_object(self, item: Any) -> Any:
        """Broadcast rank 0's object to all workers. It is pickled: for trusted objects only."""
        if self.size == 1:
            return item
        box = [item]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Wait until all workers have called this, for as long as it takes."""
        if self.size > 1:
            dist.barrier()

    def any(self, condition: bool) -> bool:
        """Whether a condition holds for at least one worker; waits until all have called this, as ``wait``."""
        if self.size == 1:
            return condition
        largest = torch.tensor(int(condition))
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        return bool(largest)

    def broadcast_integers(self, values: list[int]) -> list[int]:
        """Broadcast rank 0's integers, for decisions of training that depend on a clock; waits for the device."""
        if self.size == 1:
            return values
        decided = torch.tensor(values, dtype=torch.int64, device=self.device)
        dist.broadcast(decided, src=0, group=self.training)
        received: list[int] = decided.tolist()
        return received
