"""What a thread has ready before a step asks for it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """The results of a pure function of the iteration, of which the next ones are computed while a step runs.

    Args:
        prepare: iteration -> what its step needs.
        depth: how many iterations ahead; 0 computes each when it is asked for, without a thread.
    """

    def __init__(self, prepare: Callable[[int], T], depth: int) -> None:
        self.prepare, self.depth = prepare, depth
        self._thread = ThreadPoolExecutor(1, "ahead") if depth else None
        self._coming: dict[int, Future[T]] = {}

    def __call__(self, iteration: int) -> T:
        """The result of one iteration, in any order; what was prepared for others than it and the next is dropped."""
        if self._thread is None:
            return self.prepare(iteration)
        wanted = range(iteration, iteration + self.depth + 1)
        for other in self._coming.keys() - set(wanted):
            self._coming.pop(other).cancel()
        for coming in wanted:
            if coming not in self._coming:
                self._coming[coming] = self._thread.submit(self.prepare, coming)
        return self._coming.pop(iteration).result()
