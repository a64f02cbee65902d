"""When the workers of a stage agree whether to stop and to write a checkpoint: about once a second.

Only the first worker's clock is used. With several workers it announces at each agreement the iteration of the next
one, so that in between no worker waits for another, nor for a device.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from hpt_ray.training.workers import Workers

#: Half of what a request to stop may wait for: steps may become twice as slow between two agreements.
SECONDS = 1.0


@dataclass(frozen=True)
class Decision:
    """What all workers do after an iteration: write a checkpoint, and stop."""

    save: bool
    stop: bool


class Clock:
    """The iterations at which workers agree, adapted to how long steps take."""

    def __init__(self, workers: Workers, iteration: int) -> None:
        """
        Args:
            iteration: where the stage begins or is resumed.
        """
        self.workers = workers
        self.last, self.last_at = iteration, time.monotonic()
        self.next = iteration + 1

    def due(self, iteration: int) -> bool:
        """Whether to agree after this iteration; the answer of every worker is the same, and costs no message."""
        if self.workers.size == 1:
            return time.monotonic() - self.last_at >= SECONDS
        return iteration >= self.next

    def agree(self, iteration: int, decision: Decision) -> Decision:
        """The first worker's decision; all workers call this at the same iteration."""
        now = time.monotonic()
        steps = max(1, iteration - self.last)
        # A step that was short by chance must not delay the next agreement much: at most twice as many steps.
        fitting = int(SECONDS * steps / max(now - self.last_at, 1e-9))
        following = iteration + min(max(1, fitting), 2 * steps)
        self.last, self.last_at = iteration, now
        save, stop, self.next = self.workers.broadcast_integers([decision.save, decision.stop, following])
        return Decision(bool(save), bool(stop))
