"""The queue of a run, the same for every backend: order of need, what a failure takes with it, redelivery."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable

from hpt_ray.core.errors import StoreError
from hpt_ray.execute.events import INTERRUPTED, NEEDS, Event
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store

#: How often a unit is delivered. One that keeps killing its worker is given up, and everything else goes on.
DELIVERIES = 3


class Queue:
    """Units, each delivered once the unit that it needs has ended, otherwise in their order.

    A backend takes a unit with ``next``, then calls either ``finish`` or, when its worker died, ``redeliver``.
    """

    def __init__(self, store: Store, tell: Callable[[Event], object]) -> None:
        """
        Args:
            store: where the reasons of failures are recorded.
            tell: called with each unit's start and end.
        """
        self.store, self.tell = store, tell
        self.waiting: list[Unit] = []
        self.unfinished: set[str] = set()
        self.deliveries = Counter[str]()
        self.stopped = False

    def add(self, units: Iterable[Unit]) -> None:
        """Add units. A need that is no unit of this queue is met."""
        for unit in units:
            self.waiting.append(unit)
            self.unfinished.add(unit.id)

    def next(self) -> Unit | None:
        """Deliver the first unit whose need is met; None while there is none."""
        for place, unit in enumerate(self.waiting):
            if unit.needs not in self.unfinished:
                self.deliveries[unit.id] += 1
                self.tell(Event(kind="started", unit=unit.id, label=unit.label))
                return self.waiting.pop(place)
        assert not self.waiting or len(self.unfinished) > len(self.waiting), "a plan has no circles"
        return None

    def finish(self, unit: Unit, reason: str = "") -> None:
        """A delivered unit has ended.

        Args:
            reason: why it was interrupted or failed; empty if it was finished.
        """
        if reason:
            self._fail(unit, reason)
        else:
            self.unfinished.discard(unit.id)
            self.tell(Event(kind="finished", unit=unit.id, label=unit.label))

    def redeliver(self, unit: Unit) -> None:
        """The worker of a unit died: the unit is the next to be delivered, unless it has killed too many workers."""
        if self.stopped:
            self._fail(unit, INTERRUPTED)
        elif self.deliveries[unit.id] >= DELIVERIES:
            self._fail(unit, f"its worker died {DELIVERIES} times while it ran (out of memory, or killed)")
        else:
            self.waiting.insert(0, unit)

    def stop(self) -> None:
        """Deliver nothing more: the queue is done when the units at work have ended."""
        self.stopped = True
        self.unfinished -= {unit.id for unit in self.waiting}
        self.waiting.clear()

    @property
    def done(self) -> bool:
        """Whether every unit has ended."""
        return not self.unfinished

    def _fail(self, unit: Unit, reason: str) -> None:
        """End a unit without a result, and with it those that need its weights."""
        self.unfinished.discard(unit.id)
        if reason.startswith(INTERRUPTED):
            self.tell(Event(kind="interrupted", unit=unit.id, label=unit.label, reason=reason))
            return
        # Where nothing can be written any more, the reason is still told, and the run goes on to say the rest.
        with contextlib.suppress(StoreError):
            for stage in unit.stages:
                if self.store.record(stage.id) is None:
                    self.store.fail(stage.id, reason)
        self.tell(Event(kind="failed", unit=unit.id, label=unit.label, reason=reason))
        if self._has_weights(unit):
            return
        for child in [waiting for waiting in self.waiting if waiting.needs == unit.id]:
            self.waiting.remove(child)
            self._fail(child, f"{NEEDS}{unit.label}, which failed")

    def _has_weights(self, unit: Unit) -> bool:
        """Whether what needs a unit can run: an evaluation may have failed where the weights are there."""
        try:
            return self.store.record(unit.id) is not None
        except StoreError:
            return False
