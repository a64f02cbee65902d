"""A method of a user's that fails in its sixth iteration: MoCo-v2 until then."""

from __future__ import annotations

import os
import signal
from enum import IntEnum

import torch
from torch import Tensor

from hpt_ray.training.method import Batch
from hpt_ray.training.methods.moco_v2 import MoCoV2
from hpt_ray.training.workers import Workers

FATAL = 5


class Fault(IntEnum):
    """Options of a method are numbers."""

    KILL = 1
    MEMORY = 2
    DIVERGE = 3


class Deadly(MoCoV2):
    """Kills its worker, asks for more memory than there is, or returns a loss that is no number."""

    class Options(MoCoV2.Options):
        fault: int

    def __init__(self, backbone, options, seed, classes):
        super().__init__(backbone, options, seed, classes)
        self.fault = options.fault

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        loss = super().step(batch, workers)
        if batch.iteration != FATAL:
            return loss
        if self.fault == Fault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == Fault.MEMORY:
            torch.empty(2**50)
        return loss * torch.nan


method = Deadly
