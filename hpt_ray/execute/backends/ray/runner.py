"""Running on Ray: the broker queues units, resident worker groups of Ray Train run them, Tune shows them as trials.

Groups fetch units from the broker, whose queue knows what each unit needs: no group waits for the slowest unit of a
level, and a group begins its next unit at once. The driver asks for the next round of a search when the queue
is done, while the groups stay.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Layout, layout, sharing
from hpt_ray.execute import visible
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray.broker import Broker, News
from hpt_ray.execute.backends.ray.cluster import low_on_memory, nodes, wait_for_nodes
from hpt_ray.execute.backends.ray.experiment import Experiment
from hpt_ray.execute.backends.ray.groups import Groups
from hpt_ray.execute.backends.ray.hardware import hardware
from hpt_ray.execute.backends.ray.session import alive, dashboard_of, ray_session, scratch
from hpt_ray.execute.events import ENDS, Event, Tell
from hpt_ray.execute.stopping import StopNow

if TYPE_CHECKING:
    from hpt_ray.planning.plan import Unit
    from hpt_ray.store.store import Store

POLL_SECONDS = 0.2
START_SECONDS = 300.0
STOP_SECONDS = 30.0


class RayDiedError(StudyError):
    """Ray has ended: it can no longer be called."""


class BrokerKilledError(Exception):
    """Ray has killed the broker because the memory of its node ran low."""


class RayRunner:
    """Runs units on a connected Ray; ``close`` waits until its worker groups have ended."""

    def __init__(self, ray: Any, layout: Layout, request: Request, dashboard: str | None = None) -> None:
        """
        Args:
            layout: of the nodes that are up.
            dashboard: the address of Ray's dashboard, if it has one.
        """
        self.ray, self.layout, self.request, self.dashboard = ray, layout, request, dashboard
        self.broker: Any = None
        self.groups = Groups(ray, layout, request)
        self.refused: set[str] = set()
        self.patience = STOP_SECONDS
        self.scratch = scratch()

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        """
        Raises:
            StudyError: if no worker group starts, a node does not see the store or the data, or Ray loses the broker.
        """
        unfinished: dict[str, Unit] = {}

        def queued() -> Iterator[list[Unit]]:
            for units in rounds:
                unfinished.update({unit.id: unit for unit in units})
                yield units

        def heard(event: Event) -> bool:
            if event.kind in ENDS:
                unfinished.pop(event.unit, None)
            return tell(event)

        new = queued()
        left: list[list[Unit]] = []
        with visible.shown(store, self.request.run, self.request.paths()) as seen:
            while True:
                try:
                    return self._run(itertools.chain(left, new), store, seen, heard, stopping)
                except BrokerKilledError:
                    self._shrink(heard)
                    left = [list(unfinished.values())]

    def _shrink(self, tell: Tell) -> None:
        """Prepare to start again with one slot fewer."""
        self.layout = self.layout.model_copy(update={"slots": self.layout.slots - 1})
        stages = "1 stage runs" if self.layout.slots == 1 else f"{self.layout.slots} stages run"
        reason = f"Memory ran low on this machine, so Ray ended processes of this run: {stages} at a time now."
        tell(Event(kind="note", reason=reason))
        self.groups.end(STOP_SECONDS)
        self.groups = Groups(self.ray, self.layout, self.request, first=self.groups.next)

    def _run(
        self,
        rounds: Iterator[list[Unit]],
        store: Store,
        seen: visible.Visible,
        tell: Tell,
        stopping: Callable[[], bool],
    ) -> None:
        # Ray keeps the name of an actor that was killed.
        name = f"{self.request.run}.{self.groups.first}" if self.groups.first else self.request.run
        # The broker runs on the node of this process: a node that is lost loses its groups, but never the broker.
        this_node = {"ray.io/node-id": self.ray.get_runtime_context().get_node_id()}
        broker = self.ray.remote(Broker).options(
            name=f"broker of {name}", num_cpus=0, max_concurrency=1000, label_selector=this_node
        )
        self.broker = broker.remote(store, self.request.study)
        self.groups.start(self.layout.slots, self.broker, seen, self.scratch.name)
        experiment = Experiment(self.broker, name, self.scratch.name)
        try:
            for news in self._follow(rounds, stopping):
                for event in [*news.events, *self._refusals(news)]:
                    experiment.note(event)
                    tell(event)
                if more := self.groups.room(news):
                    self.groups.start(more, self.broker, seen, self.scratch.name)
                    at_a_time = f"{self.groups.running} stages run at a time now"
                    tell(Event(kind="note", reason=f"Nodes have joined: {at_a_time}."))
            self.ray.get(self.broker.close.remote())
            while not experiment.ended(POLL_SECONDS):
                self._check_alive()
            if experiment.failure:
                note = f"Ray Tune does not show all trials of this run ({experiment.failure}); no result depends on it."
                tell(Event(kind="note", reason=note))
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.OutOfMemoryError) as error:
            if low_on_memory(error) and self.layout.slots > 1 and not stopping():
                raise BrokerKilledError from error
            raise StudyError(self._loss(error)) from error
        except (StopNow, RayDiedError):
            self.patience = 0.0
            raise
        except StudyError:
            # Ray ends the whole process if a thread still uses it after its shutdown: let the threads end first.
            self.ray.get(self.broker.stop.remote())
            experiment.ended(STOP_SECONDS)
            raise
        finally:
            self.groups.over.set()

    def close(self) -> None:
        """Wait for the groups, which end once the broker has closed, and remove their files."""
        self.groups.end(self.patience)
        if self.broker is not None and alive(self.ray):
            self.ray.kill(self.broker)
        self.scratch.cleanup()

    def _follow(self, rounds: Iterator[list[Unit]], stopping: Callable[[], bool]) -> Iterator[News]:
        """Queue one round after another until none is left, and give what is new from time to time."""
        began, stopped = time.monotonic(), False
        while True:
            self._check_alive()
            if stopping() and not stopped:
                stopped = True
                self.ray.get(self.broker.stop.remote())
            running = self.groups.running  # before the broker is asked why one has ended
            news: News = self.ray.get(self.broker.listen.remote())
            yield news
            if news.done:
                units = None if stopping() else next(rounds, None)
                if units is None:
                    return
                self.ray.get(self.broker.add.remote(units))
            if not running:
                raise StudyError("every worker group has stopped: see Ray's logs, or try --runner inline.")
            if not news.groups and time.monotonic() - began > START_SECONDS:
                raise StudyError(
                    f"no worker group came up in {START_SECONDS:.0f} s: the cluster lacks room for "
                    f"{self.layout.workers} workers; free some or use fewer --workers."
                )
            time.sleep(POLL_SECONDS)

    def _refusals(self, news: News) -> Iterator[Event]:
        """A note, once, on nodes that have joined and cannot be used.

        Raises:
            StudyError: if it is one of the nodes of the beginning.
        """
        for number, reason in news.refused.items():
            if number < self.layout.slots:
                raise StudyError(reason)
            if reason not in self.refused:
                self.refused.add(reason)
                yield Event(kind="note", reason=f"A node that joined is not used: {reason}")

    def _check_alive(self) -> None:
        if not alive(self.ray):
            raise RayDiedError("Ray's own processes were ended from outside: run the same command again to go on.")

    def _loss(self, error: Exception) -> str:
        """Why the run was lost, in one line: Ray's own message about full memory lists all processes on a page."""
        advice = "what is finished is kept; run the same command again to go on"
        if low_on_memory(error):
            return f"this machine's memory is full, so Ray ended processes of this run: {advice} once some is free."
        return f"Ray lost the broker of this run (killed?): {advice}."


@contextlib.contextmanager
def connected(request: Request) -> Iterator[RayRunner]:
    """Start or join Ray, and leave it at the end.

    Raises:
        StudyError: for a layout that does not fit the cluster, or a Ray that does not answer.
    """
    about = {"study": request.study, "targets": ", ".join(request.targets), "store": request.store}
    with ray_session(request.address, about=about) as ray:
        if request.address:
            wait_for_nodes(ray, request.gpus)
        chosen = layout(
            nodes(ray),
            request.units,
            workers=request.workers,
            threads=request.threads,
            slots=request.slots,
            gpus=request.gpus,
            stages_per_gpu=request.stages_per_gpu or _chosen(ray, request),
        )
        with contextlib.closing(RayRunner(ray, chosen, request, dashboard_of(ray))) as runner:
            yield runner


def _chosen(ray: Any, request: Request) -> int:
    """How many stages are to share a GPU: several workers of one stage cannot."""
    if request.gpus == 0 or request.workers > 1 or request.demand is None or not any(node.gpus for node in nodes(ray)):
        return 1
    return sharing(min(each.memory for each in hardware(ray, request.gpus)), request.demand())
