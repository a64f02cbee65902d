"""The runner in this process: one unit after the other, no Ray. Same numbers as the Ray runner, to the bit."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from hpt_ray.core.errors import StageInterruptedError
from hpt_ray.execute.events import NEEDS, Event, Tell
from hpt_ray.execute.failures import lacks_weights, record_failure
from hpt_ray.execute.unit_lock import claimed
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
        workers = Workers(device=default_device())
        failed: dict[str, str] = {}
        for unit in itertools.chain.from_iterable(map(in_order_of_need, rounds)):
            if stopping():
                return
            tell(Event(kind="started", unit=unit.id, label=unit.label))
            reason = f"{NEEDS}{failed[unit.needs]}" if unit.needs and unit.needs in failed else None
            if reason is None:
                try:
                    with claimed(unit, store, tell):
                        run_unit(unit, store, workers, self.threads, tell)
                except StageInterruptedError:
                    return
                except Exception as error:  # a failed stage is recorded with its reason and the study goes on
                    reason = reason_of(error)
            if reason is None:
                tell(Event(kind="finished", unit=unit.id, label=unit.label))
            else:
                if lacks_weights(unit, store):
                    failed[unit.id] = f"{unit.label}, which failed"
                record_failure(unit, store, reason)
                tell(Event(kind="failed", unit=unit.id, label=unit.label, reason=reason))


def in_order_of_need(units: list[Unit]) -> list[Unit]:
    """The units, each after the one it needs, otherwise in their order."""
    ordered: list[Unit] = []
    waiting, known = list(units), {unit.id for unit in units}
    placed: set[str | None] = {None}
    while waiting:
        ready = [unit for unit in waiting if unit.needs in placed or unit.needs not in known]
        assert ready, "a plan has no circles"
        ordered.extend(ready)
        placed.update(unit.id for unit in ready)
        waiting = [unit for unit in waiting if unit.id not in placed]
    return ordered
