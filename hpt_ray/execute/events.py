"""What a backend tells while it runs units, and how far a run is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from hpt_ray.core.values import Frozen
from hpt_ray.execute.machine import Layout
from hpt_ray.planning.plan import Plan, Unit

#: What the reason of a unit begins with that was neither finished nor failed: the run was asked to stop.
INTERRUPTED = "interrupted"
#: What the reason of a unit begins with that could not run because another failed.
NEEDS = "needs "

#: Units in a row that fail for one reason before a run is given up: the rest would fail for it, too.
HOPELESS = 3


class Event(Frozen):
    """``images`` counts the images trained on since the unit's last event."""

    kind: Literal["started", "progress", "finished", "interrupted", "failed"]
    unit: str
    label: str
    images: int = 0
    loss: float | None = None
    reason: str = ""


#: Answers whether to go on.
Tell = Callable[[Event], bool]


@dataclass
class Progress:
    """The state of a run, from its events."""

    total: int
    images: int
    done: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    trained: int = 0
    running: dict[str, Event] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    first: float | None = None
    in_a_row: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, units: Iterable[Unit]) -> Progress:
        units = list(units)
        return cls(total=len(units), images=sum(unit.images for unit in units))

    def update(self, event: Event) -> None:
        self.first = self.first or time.monotonic()
        self.trained += event.images
        if event.kind in ("started", "progress"):
            self.running[event.unit] = event
            return
        self.running.pop(event.unit, None)
        if event.kind == "finished":
            self.done += 1
            self.in_a_row.clear()
        elif event.kind == "failed":
            self.failed[event.unit] = event.reason
            if not event.reason.startswith(NEEDS):
                self.in_a_row.append(event.reason)

    @property
    def hopeless(self) -> str | None:
        """The one reason for which the last units failed, none finishing between them; None while there is hope."""
        last = self.in_a_row[-HOPELESS:]
        return last[0] if len(last) == HOPELESS and len(set(last)) == 1 else None

    @property
    def rate(self) -> float:
        """Images per second over all workers, since the first of them began."""
        seconds = time.monotonic() - self.first if self.first else 0.0
        return self.trained / seconds if seconds > 0.5 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """From the rate so far; None until there is one."""
        return max(0, self.images - self.trained) / self.rate if self.rate else None


class Observer:
    """Is told what happens; the command line draws it. The default says nothing."""

    def decoding(self, data: str, done: int, total: int) -> None: ...
    def planned(self, plan: Plan, units: list[Unit], cached: int) -> None: ...
    def started(self, layout: Layout, dashboard: str | None) -> None: ...
    def progress(self, event: Event, progress: Progress) -> None: ...
    def stopping(self) -> None: ...
    def damaged(self, path: str, why: str) -> None: ...
