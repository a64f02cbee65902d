"""The desk: one actor where trials hand in units and resident worker groups fetch them.

It remembers what each group is working on. A group whose worker died comes back for the same unit, which resumes from
its checkpoint; a unit that keeps killing its workers is given up after a few deliveries, and everything else goes on.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Literal

from hpt_ray.execute.backends.ray.metrics import Metrics
from hpt_ray.execute.events import INTERRUPTED, Event
from hpt_ray.planning.plan import Unit

DELIVERIES = 3


@dataclass
class _Order:
    unit: Unit
    deliveries: int = 0
    outcome: asyncio.Future[str] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Desk:
    """An asynchronous Ray actor; all methods run in one event loop, so nothing needs a lock."""

    def __init__(self, study: str | None = None) -> None:
        """
        Args:
            study: what its metrics are called by; None for none, where there is no Ray.
        """
        self.metrics = Metrics(study) if study else None
        self.units: dict[str, Unit] = {}
        self.orders: dict[str, _Order] = {}
        self.waiting: deque[_Order] = deque()
        self.arrived = asyncio.Condition()
        self.at_work: dict[int, _Order] = {}
        self.shifts = Counter[int]()
        self.events: list[Event] = []
        self.places: dict[int, Any] = {}
        self.up: set[int] = set()
        self.closed = False
        self.stopping = False

    async def expect(self, units: list[Unit]) -> None:
        """These units will be handed in."""
        self.units.update({unit.id: unit for unit in units})

    async def submit(self, unit: str) -> str:
        """Order a unit by its id and wait for it. Returns why it failed, or an empty string.

        A trial that was lost and started again finds the order that it made before.
        """
        if unit not in self.orders:
            if self.closed:
                return INTERRUPTED
            self.orders[unit] = _Order(self.units[unit])
            await self._queue(self.orders[unit])
        return await asyncio.shield(self.orders[unit].outcome)

    async def put(self, group: int, place: Any) -> None:
        """The workers of a group have been started in this placement group of Ray's."""
        self.places[group] = place

    async def place(self, group: int) -> Any:
        """Where the workers of a group were last started; None if they never were."""
        return self.places.get(group)

    async def arrive(self, group: int) -> None:
        """A group has come up."""
        self.up.add(group)

    async def fetch(self, group: int, fresh: bool) -> Unit | None:
        """The next unit for a group; None when there will be no more.

        A group that is ``fresh`` has lost whatever its predecessor was working on and gets that again. What the
        predecessor still waits for here, since Ray goes on with what a dead process has asked, ends with nothing.
        """
        self.shifts[group] += fresh
        shift = self.shifts[group]
        if fresh and (lost := self._lost(group)):
            return self._deliver(group, lost)
        async with self.arrived:
            await self.arrived.wait_for(lambda: self.waiting or self.closed or shift < self.shifts[group])
            here = shift == self.shifts[group]
            return self._deliver(group, self.waiting.popleft()) if here and self.waiting else None

    async def tell(self, event: Event) -> bool:
        """Take note of an event. Answers whether the group is to go on."""
        self._note(event)
        return not self.stopping

    async def settle(self, group: int, unit: str | None, reason: str) -> None:
        """The group's unit has ended: finished, or failed with a reason. Of a unit that it lost, this is nothing."""
        order = self.at_work.get(group)
        if order and order.unit.id == unit:
            del self.at_work[group]
            self._close(order, reason)

    async def abandon(self, group: int) -> None:
        """A group will be back late or never: the first that is free gets what it was working on."""
        self.shifts[group] += 1
        lost = self._lost(group)
        if lost and self.stopping:
            self._close(lost, INTERRUPTED)
        elif lost:
            await self._queue(lost)

    async def listen(self) -> tuple[list[Event], int]:
        """Events since the last call, and how many groups have come up so far."""
        events, self.events = self.events, []
        return events, len(self.up)

    async def stop(self) -> None:
        """Begin no more units, and ask those at work to stop at their next report."""
        self.stopping = True
        while self.waiting:
            self._close(self.waiting.popleft(), INTERRUPTED)
        await self.close()

    async def close(self) -> None:
        """Send the groups home once nothing waits."""
        async with self.arrived:
            self.closed = True
            self.arrived.notify_all()

    def _lost(self, group: int) -> _Order | None:
        """What a group was working on, unless it has killed its workers too often: that is given up."""
        lost = self.at_work.pop(group, None)
        if lost and lost.deliveries >= DELIVERIES:
            self._close(lost, f"its worker died {lost.deliveries} times while it ran (out of memory, or killed)")
            return None
        return lost

    async def _queue(self, order: _Order) -> None:
        async with self.arrived:
            self.waiting.append(order)
            self.arrived.notify_all()  # one alone might be the wait of a group that is dead

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if self.metrics:
            self.metrics.note(event)

    def _deliver(self, group: int, order: _Order) -> Unit:
        order.deliveries += 1
        self.at_work[group] = order
        self._note(Event(kind="started", unit=order.unit.id, label=order.unit.label))
        return order.unit

    def _close(self, order: _Order, reason: str) -> None:
        kind: Literal["failed", "finished"] = "failed" if reason else "finished"
        self._note(Event(kind=kind, unit=order.unit.id, label=order.unit.label, reason=reason))
        self.orders.pop(order.unit.id, None)
        order.outcome.set_result(reason)
