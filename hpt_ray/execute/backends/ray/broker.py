"""The broker: the actor that holds a run's queue, between the driver and the resident worker groups.

The driver adds units and listens; groups fetch units and report how they ended. The unit of a group whose worker died
is delivered again and resumes from its checkpoint. Where memory runs low, Ray kills the newest processes of the node
until there is enough: then one group fewer goes on there, and the unit has the node to itself when it runs again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from hpt_ray.execute.backends.ray.metrics import Metrics
from hpt_ray.execute.events import ENDS, Event
from hpt_ray.execute.queue import Queue

if TYPE_CHECKING:
    from hpt_ray.planning.plan import Unit
    from hpt_ray.store.store import Store


class News(NamedTuple):
    """What the driver receives.

    Attributes:
        events: those since its last call.
        groups: number of groups that have started so far. retired: of those that are not to start again.
        unfinished: number of units that have not ended. waiting: of those that no group has.
        refused: why groups do not serve, by their numbers.
    """

    events: list[Event]
    groups: int
    retired: int
    unfinished: int
    waiting: int
    refused: dict[int, str]

    @property
    def done(self) -> bool:
        """Whether every unit has ended."""
        return self.unfinished == 0


class Broker:
    """An asynchronous Ray actor; all methods run in one event loop, so nothing needs a lock."""

    def __init__(self, store: Store, study: str | None = None) -> None:
        """
        Args:
            store: where the reasons of failures are recorded.
            study: the name of the study in the metrics; None: no metrics, for use without Ray.
        """
        self.metrics = Metrics(study) if study else None
        self.queue = Queue(store, self._note)
        self.running: dict[int, Unit] = {}
        self.starts = Counter[int]()
        self.changed = asyncio.Condition()
        self.events: list[Event] = []
        self.outcomes: dict[str, str] = {}
        self.placements: dict[int, Any] = {}
        self.started: set[int] = set()
        self.nodes: dict[int, str] = {}  # of the first worker of each group that serves
        self.low: set[str] = set()  # nodes whose memory ran low
        self.alone: dict[str, str] = {}  # the node that a unit is to have to itself
        self.retired: set[int] = set()
        self.refused: dict[int, str] = {}
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

    async def arrive(self, group: int, node: str) -> None:
        """Note that the workers of a group have started, the first of them on a node."""
        self.started.add(group)
        self.nodes[group] = node

    async def refuse(self, group: int, reason: str) -> None:
        """Note why the workers of a group do not serve; the group ends."""
        self.refused[group] = reason
        self.retired.add(group)

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
                if unit := self._next(group):
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

    async def abandon(self, group: int) -> bool:
        """Note that a group is about to start again, or may never do so: another group may get its unit.

        Returns whether it is to start again.
        """
        self._leave(group)
        await self._notify()
        return group not in self.retired

    async def run_low(self, group: int) -> None:
        """Note that a worker of a group was killed because the memory of its node ran low."""
        node = self.nodes.get(group)
        if node is None:  # noted already, or the group did not serve yet
            return
        others = any(at == node for other, at in self.nodes.items() if other != group)
        if others:
            self.retired.add(group)
            if unit := self.running.get(group):
                self.alone[unit.id] = node
        if node not in self.low:
            self.low.add(node)
            fewer = "fewer stages run there at a time from now on, and " if others else ""
            self._note(Event(kind="note", reason=f"Memory ran low on {node}: {fewer}what was interrupted runs again."))
        await self.abandon(group)

    async def outcome(self, unit: str) -> str:
        """Wait until a unit has ended. Returns why it failed, or an empty string."""
        async with self.changed:
            await self.changed.wait_for(lambda: unit in self.outcomes)
        return self.outcomes[unit]

    async def listen(self) -> News:
        """The events since the last call, and the state of groups and units."""
        events, self.events = self.events, []
        unfinished, waiting = len(self.queue.unfinished), len(self.queue.waiting)
        return News(events, len(self.started), len(self.retired), unfinished, waiting, self.refused)

    async def stop(self) -> None:
        """Deliver no more units, and ask running ones to stop at their next report."""
        self.queue.stop()
        await self.close()

    async def close(self) -> None:
        """Let the groups end once no unit is waiting."""
        self.closed = True
        await self._notify()

    def _next(self, group: int) -> Unit | None:
        """The next unit for a group, which may have to wait until its node is free for a unit that is to be alone."""
        node = self.nodes.get(group)
        alone = [unit for unit, at in self.alone.items() if at == node]
        if not alone:
            return self.queue.next(lambda unit: unit.id not in self.alone)
        if any(self.nodes.get(other) == node for other in self.running):
            return None
        return self.queue.next(lambda unit: unit.id == alone[0])

    def _leave(self, group: int) -> None:
        node = self.nodes.pop(group, None)
        if node not in self.nodes.values():  # then nothing is left that could run a unit alone there
            self.alone = {unit: at for unit, at in self.alone.items() if at != node}
        self._lose(group)

    def _lose(self, group: int) -> None:
        self.starts[group] += 1
        if unit := self.running.pop(group, None):
            self.queue.redeliver(unit)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()  # notifying only one might notify a call of a dead group

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if event.kind in ENDS:
            self.outcomes[event.unit] = event.reason
            self.alone.pop(event.unit, None)
        if self.metrics:
            self.metrics.note(event)
