"""Running on Ray: the broker queues units, resident Ray Train worker groups do them, Tune shows them as trials.

Groups fetch units from the broker, whose queue knows what each unit needs: no group waits for the slowest unit of a
level, and nothing stands between two units of a group. The driver asks for the next round of a search when the queue
is done, while the groups stay.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.execute import machine
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import worker_group as group
from hpt_ray.execute.backends.ray.broker import Broker
from hpt_ray.execute.backends.ray.experiment import Experiment
from hpt_ray.execute.backends.ray.scratch import scratch
from hpt_ray.execute.backends.ray.session import alive, dashboard_of, ray_session, resources
from hpt_ray.execute.events import Tell
from hpt_ray.execute.interrupts import StopNow
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store

POLL_SECONDS = 0.2
START_SECONDS = 300.0
STOP_SECONDS = 30.0


class RayDiedError(StudyError):
    """Ray is gone: nothing more can be asked of it."""


class RayRunner:
    """Runs units on a connected Ray; ``close`` waits until its worker groups have gone home."""

    def __init__(self, ray: Any, layout: machine.Layout, study: str, name: str, dashboard: str | None = None) -> None:
        """
        Args:
            name: of this run of the study: what Ray calls its parts by.
            dashboard: the address of Ray's dashboard, if it has one.
        """
        self.ray, self.layout, self.study, self.name, self.dashboard = ray, layout, study, name, dashboard
        self.broker: Any = None
        self.groups: list[threading.Thread] = []
        self.over = threading.Event()
        self.patience = STOP_SECONDS
        self.scratch = scratch()

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        """
        Raises:
            StudyError: if the worker groups do not come up, or Ray loses what a run cannot do without.
        """
        # It stays with this process: a node that is lost takes its groups with it, never the broker.
        here = {"ray.io/node-id": self.ray.get_runtime_context().get_node_id()}
        broker = self.ray.remote(Broker).options(
            name=f"broker of {self.name}", num_cpus=0, max_concurrency=1000, label_selector=here
        )
        self.broker = broker.remote(store.where, self.study)
        self.groups = [
            group.start(self.broker, number, self.name, self.layout, store.where, self.scratch.name, self.over)
            for number in range(self.layout.slots)
        ]
        experiment = Experiment(self.broker, self.name, self.scratch.name, self.layout.slots)
        try:
            self._follow(experiment, rounds, tell, stopping)
            self.ray.get(self.broker.close.remote())
            while not experiment.ended(POLL_SECONDS):
                self._check_alive()
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.OutOfMemoryError) as error:
            raise StudyError(self._loss(error)) from error
        except (StopNow, RayDiedError):
            self.patience = 0.0
            raise
        except StudyError:
            # Ray ends the whole process if its threads still use it after its shutdown: let them end first.
            self.ray.get(self.broker.stop.remote())
            experiment.ended(STOP_SECONDS)
            raise
        finally:
            self.over.set()

    def close(self) -> None:
        """Wait for the groups, which end once the broker has closed, and remove what they left behind."""
        for thread in self.groups:
            thread.join(timeout=self.patience)
        if self.broker is not None and alive(self.ray):
            self.ray.kill(self.broker)
        self.scratch.cleanup()

    def _follow(
        self, experiment: Experiment, rounds: Iterator[list[Unit]], tell: Tell, stopping: Callable[[], bool]
    ) -> None:
        """Queue round after round, and tell what happens, until there is nothing more to do."""
        began, stopped = time.monotonic(), False
        while True:
            self._check_alive()
            if stopping() and not stopped:
                stopped = True
                self.ray.get(self.broker.stop.remote())
            events, ready, done = self.ray.get(self.broker.listen.remote())
            for event in events:
                experiment.note(event)
                tell(event)
            if done:
                units = None if stopping() else next(rounds, None)
                if units is None:
                    return
                self.ray.get(self.broker.add.remote(units))
            if not any(thread.is_alive() for thread in self.groups):
                raise StudyError("every worker group has stopped: see Ray's logs, or try --runner inline.")
            if not ready and time.monotonic() - began > START_SECONDS:
                raise StudyError(
                    f"no worker group came up in {START_SECONDS:.0f} s: the cluster lacks room for "
                    f"{self.layout.workers} workers; free some or use fewer --workers."
                )
            time.sleep(POLL_SECONDS)

    def _check_alive(self) -> None:
        if not alive(self.ray):
            raise RayDiedError("Ray's own processes were ended from outside: run the same command again to go on.")

    def _loss(self, error: Exception) -> str:
        """What a run was lost to, in one line: what Ray says of a full memory is a page of other users' processes."""
        kept = "what is finished is kept; run the same command again to go on"
        if isinstance(error, self.ray.exceptions.OutOfMemoryError) or "low on memory" in str(error):
            fewer = f", with --slots {self.layout.slots - 1}," if self.layout.slots > 1 else ""
            return (
                f"this machine's memory is full, so Ray ended processes of this run: {kept}{fewer} once some is free."
            )
        return f"Ray lost the broker of this run (killed?): {kept}."


@contextlib.contextmanager
def connected(request: Request) -> Iterator[RayRunner]:
    """A runner on a Ray that this starts or joins, and leaves at the end.

    Raises:
        StudyError: for a layout that does not fit the cluster, or a Ray that does not answer.
    """
    with ray_session(request.address) as ray:
        layout = machine.layout(
            *resources(ray), request.units, workers=request.workers, threads=request.threads, slots=request.slots
        )
        with contextlib.closing(RayRunner(ray, layout, request.study, request.run, dashboard_of(ray))) as runner:
            yield runner
