"""The queue of units of a run, the same for every backend: what a unit needs, what fails with it, redelivery."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable

from hpt_ray.core.errors import StoreError
from hpt_ray.execute.events import INTERRUPTED, NEEDS, Event
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store

#: How often a unit is delivered at most. One that keeps killing its worker is given up, and the others go on.
DELIVERIES = 3


class Queue:
    """Units, delivered in their order, but each only after the unit that it needs has ended.

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
        """Add units. A unit that is needed but not in this queue counts as finished."""
        for unit in units:
            self.waiting.append(unit)
            self.unfinished.add(unit.id)

    def next(self, may: Callable[[Unit], bool] = lambda unit: True) -> Unit | None:
        """Deliver the first unit that can run; None if there is none at the moment.

        Args:
            may: whether a unit may be delivered now.
        """
        for position, unit in enumerate(self.waiting):
            if unit.needs not in self.unfinished and may(unit):
                self.deliveries[unit.id] += 1
                self.tell(Event(kind="started", unit=unit.id, label=unit.label))
                return self.waiting.pop(position)
        running = len(self.unfinished) > len(self.waiting)
        ready = not self.waiting or any(unit.needs not in self.unfinished for unit in self.waiting)
        assert running or ready, "a plan has no circles"
        return None

    def finish(self, unit: Unit, reason: str = "") -> None:
        """Note that a delivered unit has ended.

        Args:
            reason: why it was interrupted or failed; empty if it was finished.
        """
        if reason:
            self._fail(unit, reason)
        else:
            self.unfinished.discard(unit.id)
            self.tell(Event(kind="finished", unit=unit.id, label=unit.label))

    def redeliver(self, unit: Unit) -> None:
        """Note that the worker of a unit died: deliver the unit next, unless it has killed too many workers."""
        if self.stopped:
            self._fail(unit, INTERRUPTED)
        elif self.deliveries[unit.id] >= DELIVERIES:
            self._fail(unit, f"its worker died {DELIVERIES} times while it ran (out of memory, or killed)")
        else:
            self.waiting.insert(0, unit)

    def stop(self) -> None:
        """Deliver no more units: the queue is done when the running units have ended."""
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
        # If the store cannot be written any more, the reason is still reported as an event.
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
        """Whether a failed unit still produced its weights, so that units that need them can run."""
        try:
            return self.store.record(unit.id) is not None
        except StoreError:
            return False
