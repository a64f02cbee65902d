"""The interface of a backend, a way to run units: a file or folder in ``backends/`` defines it as ``backend``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from hpt_ray.core.layout import Demand, Layout
from hpt_ray.execute.events import Tell
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store


@dataclass(frozen=True)
class Request:
    """What a run needs from a backend, which refuses what it cannot provide.

    Attributes:
        study: the study's name. targets, store: for whoever looks at what runs on a cluster.
        run: a name that no other run has: the same study may run twice on one cluster.
        units: number of units known so far.
        workers: processes that share the groups of each stage.
        threads: of each process; None: the backend chooses.
        slots: number of stages that run at the same time; None: the backend chooses.
        gpus: how many to use; 0: none; None: all there are.
        stages_per_gpu: stages that share a GPU; None: the backend chooses by ``demand``.
        demand: what the largest stage asks of a GPU; None: it is unknown.
        address: a cluster to join; None: no cluster.
        paths: of data, weights and Python files: every machine that runs units must see the same there.
    """

    study: str
    run: str
    units: int
    targets: tuple[str, ...] = ()
    store: str = ""
    workers: int = 1
    threads: int | None = None
    slots: int | None = None
    gpus: int | None = None
    stages_per_gpu: int | None = None
    demand: Callable[[], Demand] | None = None
    address: str | None = None
    paths: Callable[[], Iterable[str]] = tuple


class Runner(Protocol):
    """A backend that is ready to run units: its layout, and the address of its dashboard, if it has one."""

    @property
    def layout(self) -> Layout: ...

    @property
    def dashboard(self) -> str | None: ...

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        """Run rounds of units in the order of a ``Queue``.

        Args:
            rounds: the next one is requested when all units of the previous one have ended, since it may depend on
                them.
            store: where stages are written.
            tell: called with every event.
            stopping: once it returns True, no more units are started, and running ones stop at their next report.

        Raises:
            StudyError: if the backend itself fails. A unit that fails is reported as an event.
        """


#: The type of ``backend``: opens a runner and closes it at the end. Raises StudyError for an impossible request.
Backend = Callable[[Request], AbstractContextManager[Runner]]
