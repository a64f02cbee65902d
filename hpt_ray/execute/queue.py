"""The queue of units: those whose needs are met are given out in order, round by round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from hpt_ray.core.errors import StudyError
from hpt_ray.planning.plan import Unit

#: A trial only waits: for one that is lost, with its process or its node, another is started.
TRIALS = 10


class Queue:
    """Rounds of units: gives those whose needs are met, in order. A failed unit fails what needs it."""

    def __init__(self, rounds: Iterator[list[Unit]]) -> None:
        self.rounds = rounds
        self.waiting: list[Unit] = []
        self.open: set[str] = set()
        self.given = Counter[str]()
        self.stopped = False
        self.error: StudyError | None = None

    def refill(self) -> bool:
        """Take the next round once all of the one before has ended. Returns whether anything is open."""
        if not self.open:
            self.waiting = list(next(self.rounds, []))
            self.open = {unit.id for unit in self.waiting}
        return bool(self.open)

    def stop(self) -> None:
        """Give out nothing more."""
        self.stopped = True
        self.rounds = iter(())
        self.open -= {unit.id for unit in self.waiting}
        self.waiting.clear()

    def next(self) -> Unit | None:
        """The first unit that can run now; None while there is none."""
        for place, unit in enumerate(self.waiting):
            if unit.needs not in self.open:
                self.given[unit.id] += 1
                return self.waiting.pop(place)
        return None

    def again(self, unit: Unit) -> bool:
        """Whether a unit whose trial was lost is given out once more: Tune's own retries end where a trial has been
        lost before it was up."""
        if self.stopped or self.given[unit.id] >= TRIALS:
            return False
        self.waiting.insert(0, unit)
        return True

    def settle(self, unit: Unit, failed: bool) -> list[Unit]:
        """A unit has ended. Returns the units that can now never run."""
        self.open.discard(unit.id)
        lost: list[Unit] = []
        if failed:
            for child in [waiting for waiting in self.waiting if waiting.needs == unit.id]:
                self.waiting.remove(child)
                lost += [child, *self.settle(child, failed=True)]
        return lost
