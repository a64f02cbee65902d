"""The runner in this process: one unit after the other, no Ray. Same numbers as the Ray runner, to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hpt_ray.core.errors import StageInterruptedError
from hpt_ray.execute.events import Tell
from hpt_ray.execute.queue import Queue
from hpt_ray.execute.unit_lock import locked
from hpt_ray.execute.worker import reason_of, run_unit
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from hpt_ray.training.device import default_device
from hpt_ray.training.workers import Workers


class InlineRunner:
    """Runs units in order of need on one worker."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        workers, queue = Workers(device=default_device()), Queue(store, tell)
        for units in rounds:
            queue.add(units)
            while not stopping() and (unit := queue.next()):
                reason = ""
                try:
                    with locked(unit, store, tell):
                        run_unit(unit, store, workers, self.threads, tell)
                except StageInterruptedError as error:
                    reason = str(error)
                except Exception as error:  # a failed stage is recorded with its reason and the study goes on
                    reason = reason_of(error)
                queue.finish(unit, reason)
            if stopping():
                return
