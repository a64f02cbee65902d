"""What a thread has ready before a step asks for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

T = TypeVar("T")

#: What is ready or on its way while a step of a GPU computes: with that of the step itself there are three.
DEPTH = 2


def depth_on(device: torch.device) -> int:
    """How far ahead of a device to prepare. On a CPU not at all: a second thread would take another stage's core."""
    return DEPTH if device.type == "cuda" else 0


class Ahead(Generic[T]):
    """The results of a pure function of the iteration, of which the next ones are computed while a step runs.

    Args:
        prepare: iteration -> what its step needs.
        depth: how many iterations ahead; 0 computes each when it is asked for, without a thread.
        end: the number of iterations, if it is known; nothing is prepared for later ones.
    """

    def __init__(self, prepare: Callable[[int], T], depth: int, end: int | None = None) -> None:
        self.prepare, self.depth, self.end = prepare, depth, end
        self._thread = ThreadPoolExecutor(1, "ahead") if depth else None
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, iteration: int) -> T:
        """The result of one iteration, in any order; what was prepared for others than it and the next is dropped."""
        if self._thread is None:
            return self.prepare(iteration)
        last = iteration + self.depth if self.end is None else min(iteration + self.depth, self.end - 1)
        wanted = range(iteration, last + 1)
        for other in self._coming.keys() - set(wanted):
            self._coming.pop(other).cancel()
        for coming in wanted:
            if coming not in self._coming:
                self._coming[coming] = self._thread.submit(self.prepare, coming)
        return self._coming.pop(iteration).result()
