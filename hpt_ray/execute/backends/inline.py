"""In this process: one unit after another, without Ray. The numbers are bit-identical to those on Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from hpt_ray.core.errors import StageInterruptedError, StudyError
from hpt_ray.core.layout import Layout, Node, layout
from hpt_ray.core.machine import cores
from hpt_ray.execute.backend import Request
from hpt_ray.execute.events import Tell
from hpt_ray.execute.queue import Queue
from hpt_ray.execute.worker import locked, reason_of, run_unit
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from hpt_ray.training.device import gpus
from hpt_ray.training.workers import Workers


class InlineRunner:
    """Runs units one at a time, each after the unit that it needs."""

    dashboard = None

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        workers, queue = Workers.join(0, 1, "", gpu=self.layout.stages_per_gpu > 0), Queue(store, tell)
        for units in rounds:
            queue.add(units)
            while not stopping() and (unit := queue.next()):
                reason = ""
                try:
                    with locked(unit, store, tell):
                        run_unit(unit, store, workers, self.layout.threads, tell)
                except StageInterruptedError as error:
                    reason = str(error)
                except Exception as error:  # a failed stage is recorded with its reason and the study goes on
                    reason = reason_of(error)
                queue.finish(unit, reason)
            if stopping():
                return


@contextlib.contextmanager
def backend(request: Request) -> Iterator[InlineRunner]:
    """Run units in this process, on one worker.

    Raises:
        StudyError: for several workers, slots or GPUs, or a cluster.
    """
    if request.workers > 1:
        raise StudyError(f"the inline runner has one worker, not {request.workers}: leave --workers out, or use Ray.")
    if max(request.slots or 1, request.stages_per_gpu or 1) > 1:
        raise StudyError(
            "the inline runner runs one stage at a time: leave --slots and --stages-per-gpu out, or use Ray."
        )
    if request.address is not None:
        raise StudyError("the inline runner joins no cluster: leave --address out, or use Ray.")
    if (request.gpus or 0) > 1:
        raise StudyError(f"the inline runner uses one GPU at most, not {request.gpus}: leave --gpus out, or use Ray.")
    here = Node(cores=cores(), gpus=min(1, gpus()))
    yield InlineRunner(layout([here], 1, threads=request.threads, gpus=request.gpus))
