"""What a backend is: a way to run units, which a file or folder in ``backends/`` defines as ``backend``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hpt_ray.execute.events import Tell
from hpt_ray.execute.machine import Layout
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store


@dataclass(frozen=True)
class Request:
    """What a run asks of a backend, which refuses what it cannot do.

    Attributes:
        study: the study's name.
        run: a name of this run's own: the same study may run twice on one cluster.
        units: how many units are known to be run.
        workers: processes that share the groups of each stage.
        threads: of each process; None: the backend chooses.
        slots: stages side by side; None: the backend chooses.
        address: a cluster to join; None: none.
    """

    study: str
    run: str
    units: int
    workers: int = 1
    threads: int | None = None
    slots: int | None = None
    address: str | None = None


class Runner(Protocol):
    """A backend that is ready: how stages share what it has, and where its dashboard is, if it has one."""

    @property
    def layout(self) -> Layout: ...

    @property
    def dashboard(self) -> str | None: ...

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        """Run rounds of units in the order of a ``Queue``.

        Args:
            rounds: each is asked for when all units of the one before have ended, since it may depend on them.
            store: where stages are written.
            tell: called with every event.
            stopping: once it returns True, no more units are begun and those at work stop at their next report.

        Raises:
            StudyError: if the backend itself is lost. A unit that fails is an event.
        """


#: What ``backend`` is: opens a runner, and closes it at the end. Raises StudyError for a request that does not fit.
Backend = Callable[[Request], AbstractContextManager[Runner]]
