"""The events that a backend reports while it runs units, and the progress of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from hpt_ray.core.layout import Layout
from hpt_ray.core.values import Frozen
from hpt_ray.planning.plan import Plan, Unit

#: How the reason of a unit begins that was interrupted because the run was asked to stop.
INTERRUPTED = "interrupted"
#: The kinds of events with which a unit ends.
ENDS = ("finished", "interrupted", "failed")
#: How the reason of a unit begins that could not run because another one failed.
NEEDS = "needs "

#: A run without any result is given up when its first units, so many, fail for the same reason, as the rest would.
HOPELESS = 3


class Event(Frozen):
    """Something that happened to a unit; ``images`` is the number of images trained on since its last event.

    A ``note`` is about the run, not a unit: its ``reason`` is one line for the user and the reader of the report.
    """

    kind: Literal["started", "progress", "finished", "interrupted", "failed", "note"]
    unit: str = ""
    label: str = ""
    images: int = 0
    loss: float | None = None
    reason: str = ""


#: Reports an event. Returns whether the work is to go on.
Tell = Callable[[Event], bool]


@dataclass
class Progress:
    """The state of a run, from its events.

    Attributes:
        finished: the ids of finished stages, those that were found in the store among them.
        total, done: numbers of stages to run, and of those that have run. images, trained: the same of images.
        failed: the reasons of units that ended without a result, by their ids. running: the last event of each
            running unit.
        cells: of the plan as it is known so far, the evaluations that each cell needs.
        hopeless: the reason for which the first ``HOPELESS`` units failed, if it is the same for all and nothing has
            finished, in an earlier run either; else None.
    """

    finished: set[str] = field(default_factory=set)
    total: int = 0
    images: int = 0
    done: int = 0
    trained: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    running: dict[str, Event] = field(default_factory=dict)
    cells: tuple[tuple[str, ...], ...] = ()
    started: float = field(default_factory=time.monotonic)
    first: float | None = None
    hopeless: str | None = None
    notes: list[str] = field(default_factory=list)
    stages_of: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def expect(self, units: Iterable[Unit]) -> None:
        """Add units that are to run, or their estimate."""
        for unit in units:
            self.total += len(unit.stages)
            self.images += unit.images

    def begin(self, plan: Plan, units: Iterable[Unit]) -> None:
        """Note the plan as it is known now, and those of its units that run next."""
        self.cells = tuple(cell.evaluations for cell in plan.cells)
        self.stages_of |= {unit.id: tuple(stage.id for stage in unit.stages) for unit in units}

    def update(self, event: Event) -> None:
        if event.kind == "note":
            self.notes.append(event.reason)
            return
        self.first = self.first or time.monotonic()
        self.trained += event.images
        if event.kind in ("started", "progress"):
            self.running[event.unit] = event
            return
        self.running.pop(event.unit, None)
        if event.kind == "finished":
            stages = self.stages_of.get(event.unit, ())
            self.finished.update(stages)
            self.done += len(stages)
        elif event.kind == "failed":
            self.failed[event.unit] = event.reason
            reasons = [reason for reason in self.failed.values() if not reason.startswith(NEEDS)]
            if len(reasons) == HOPELESS and len(set(reasons)) == 1 and not self.done and not self.cells_done:
                self.hopeless = reasons[0]

    @property
    def cells_done(self) -> int:
        """Number of cells whose evaluations have all finished."""
        return sum(self.finished.issuperset(evaluations) for evaluations in self.cells)

    @property
    def rate(self) -> float:
        """Images per second over all workers, since the first event."""
        seconds = time.monotonic() - self.first if self.first else 0.0
        return self.trained / seconds if seconds > 0.5 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the end at the rate so far; None until there is a rate."""
        return max(0, self.images - self.trained) / self.rate if self.rate else None


class Observer:
    """Is called with what happens during a run, which the command line shows. The default ignores it.

    ``doing`` comes before what takes seconds, such as "starting Ray".
    """

    def doing(self, what: str) -> None: ...
    def decoding(self, data: str, done: int, total: int) -> None: ...
    def planned(self, plan: Plan, units: list[Unit], cached: int) -> None: ...
    def started(self, layout: Layout, dashboard: str | None) -> None: ...
    def progress(self, event: Event, progress: Progress) -> None: ...
    def looked(self, line: str) -> None: ...
    def stopping(self) -> None: ...
    def damaged(self, path: str, why: str) -> None: ...
