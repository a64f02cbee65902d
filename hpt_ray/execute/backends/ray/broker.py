"""The broker: the actor that holds a run's queue, between the driver and the resident worker groups.

The driver adds units and listens; groups fetch units and report how they ended. A group whose worker died fetches the
same unit again, which resumes from its checkpoint.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, NamedTuple

from hpt_ray.execute.backends.ray.metrics import Metrics
from hpt_ray.execute.events import Event
from hpt_ray.execute.queue import Queue
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store


class News(NamedTuple):
    """What the driver receives.

    Attributes:
        events: those since its last call. groups: number of groups that have started so far.
        done: whether every unit has ended.
    """

    events: list[Event]
    groups: int
    done: bool


class Broker:
    """An asynchronous Ray actor; all methods run in one event loop, so nothing needs a lock."""

    def __init__(self, store: str, study: str | None = None) -> None:
        """
        Args:
            store: path or address of the store.
            study: the name of the study in the metrics; None: no metrics, for use without Ray.
        """
        self.metrics = Metrics(study) if study else None
        self.queue = Queue(Store(store), self._note)
        self.running: dict[int, Unit] = {}
        self.starts = Counter[int]()
        self.changed = asyncio.Condition()
        self.events: list[Event] = []
        self.outcomes: dict[str, str] = {}
        self.placements: dict[int, Any] = {}
        self.started: set[int] = set()
        self.closed = False

    async def add(self, units: list[Unit]) -> None:
        """Queue units."""
        self.queue.add(units)
        await self._notify()

    async def place(self, group: int, placement: Any) -> None:
        """Note the Ray placement group in which the workers of a group were started."""
        self.placements[group] = placement

    async def placement(self, group: int) -> Any:
        """The placement group in which the workers of a group were last started; None if they never were."""
        return self.placements.get(group)

    async def arrive(self, group: int) -> None:
        """Note that the workers of a group have started."""
        self.started.add(group)

    async def fetch(self, group: int, fresh: bool) -> Unit | None:
        """The next unit for a group; None when there are no more.

        Args:
            fresh: the group has just started: a unit that it was running before is delivered again. Ray keeps running
                calls of dead callers, so a stale fetch, from before the start, returns None.
        """
        if fresh:
            self._lose(group)
        start = self.starts[group]
        async with self.changed:
            self.changed.notify_all()
            while start == self.starts[group]:
                if unit := self.queue.next():
                    self.running[group] = unit
                    return unit
                if self.closed:
                    break
                await self.changed.wait()
        return None

    async def tell(self, event: Event) -> bool:
        """Note an event. Returns whether the group is to go on."""
        self._note(event)
        return not self.queue.stopped

    async def finish(self, group: int, unit: str, reason: str) -> None:
        """Note that the group's unit has finished, or failed with a reason. Ignored for a unit taken from the group."""
        if group in self.running and self.running[group].id == unit:
            self.queue.finish(self.running.pop(group), reason)
            await self._notify()

    async def abandon(self, group: int) -> None:
        """Note that a group may take long to restart, or never does: another group gets its unit."""
        self._lose(group)
        await self._notify()

    async def outcome(self, unit: str) -> str:
        """Wait until a unit has ended. Returns why it failed, or an empty string."""
        async with self.changed:
            await self.changed.wait_for(lambda: unit in self.outcomes)
        return self.outcomes[unit]

    async def listen(self) -> News:
        """The events since the last call, and the state of groups and units."""
        events, self.events = self.events, []
        return News(events, len(self.started), self.queue.done)

    async def stop(self) -> None:
        """Deliver no more units, and ask running ones to stop at their next report."""
        self.queue.stop()
        await self.close()

    async def close(self) -> None:
        """Let the groups end once no unit is waiting."""
        self.closed = True
        await self._notify()

    def _lose(self, group: int) -> None:
        self.starts[group] += 1
        if unit := self.running.pop(group, None):
            self.queue.redeliver(unit)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()  # notifying only one might notify a call of a dead group

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.kind in ("finished", "interrupted", "failed"):
            self.outcomes[event.unit] = event.reason
        if self.metrics:
            self.metrics.note(event)
