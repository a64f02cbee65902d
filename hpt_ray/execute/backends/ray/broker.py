"""The broker: the actor that holds a run's queue, between the driver and the resident worker groups.

The driver adds units and listens; groups fetch units and say how they ended. A group whose worker died comes back for
the unit that it was working on, which resumes from its checkpoint.
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
    """What the driver learns: the events since it last asked, how many groups have come up so far, and whether every
    unit has ended."""

    events: list[Event]
    groups: int
    done: bool


class Broker:
    """An asynchronous Ray actor; all methods run in one event loop, so nothing needs a lock."""

    def __init__(self, store: str, study: str | None = None) -> None:
        """
        Args:
            store: where the store is.
            study: what its metrics are called by; None for none, where there is no Ray.
        """
        self.metrics = Metrics(study) if study else None
        self.queue = Queue(Store(store), self._note)
        self.at_work: dict[int, Unit] = {}
        self.starts = Counter[int]()
        self.changed = asyncio.Condition()
        self.events: list[Event] = []
        self.outcomes: dict[str, str] = {}
        self.placements: dict[int, Any] = {}
        self.up: set[int] = set()
        self.closed = False

    async def add(self, units: list[Unit]) -> None:
        """Queue units."""
        self.queue.add(units)
        await self._notify()

    async def place(self, group: int, placement: Any) -> None:
        """The workers of a group have been started in this placement group of Ray's."""
        self.placements[group] = placement

    async def placement(self, group: int) -> Any:
        """Where the workers of a group were last started; None if they never were."""
        return self.placements.get(group)

    async def arrive(self, group: int) -> None:
        """A group has come up."""
        self.up.add(group)

    async def fetch(self, group: int, fresh: bool) -> Unit | None:
        """The next unit for a group; None when there will be no more.

        Args:
            fresh: the group has just been started: whatever it worked on before is lost, and delivered again. Ray keeps
                running the calls of dead callers, so a fetch from before the start returns None.
        """
        if fresh:
            self._lose(group)
        start = self.starts[group]
        async with self.changed:
            self.changed.notify_all()
            while start == self.starts[group]:
                if unit := self.queue.next():
                    self.at_work[group] = unit
                    return unit
                if self.closed:
                    break
                await self.changed.wait()
        return None

    async def tell(self, event: Event) -> bool:
        """Take note of an event. Returns whether the group is to go on."""
        self._note(event)
        return not self.queue.stopped

    async def finish(self, group: int, unit: str, reason: str) -> None:
        """The group's unit has ended: finished, or failed with a reason. One that the group has lost stays lost."""
        if group in self.at_work and self.at_work[group].id == unit:
            self.queue.finish(self.at_work.pop(group), reason)
            await self._notify()

    async def abandon(self, group: int) -> None:
        """A group will be back late or never: the first that is free gets what it was working on."""
        self._lose(group)
        await self._notify()

    async def outcome(self, unit: str) -> str:
        """Wait until a unit has ended. Returns why it failed, or an empty string."""
        async with self.changed:
            await self.changed.wait_for(lambda: unit in self.outcomes)
        return self.outcomes[unit]

    async def listen(self) -> News:
        """What is new since the last call."""
        events, self.events = self.events, []
        return News(events, len(self.up), self.queue.done)

    async def stop(self) -> None:
        """Deliver no more units, and ask those at work to stop at their next report."""
        self.queue.stop()
        await self.close()

    async def close(self) -> None:
        """Send the groups home once nothing waits."""
        self.closed = True
        await self._notify()

    def _lose(self, group: int) -> None:
        self.starts[group] += 1
        if unit := self.at_work.pop(group, None):
            self.queue.redeliver(unit)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()  # one alone might be the wait of a group that is dead

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.kind in ("finished", "interrupted", "failed"):
            self.outcomes[event.unit] = event.reason
        if self.metrics:
            self.metrics.note(event)
