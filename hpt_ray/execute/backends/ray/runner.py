"""The runner on Ray: Tune decides what runs when, resident Ray Train worker groups do it.

Every unit is a Tune trial. Tune asks for the next unit whose needs are met, so the levels of the plan follow from the
needs themselves and no group waits for the slowest unit of a level. A trial hands its unit to the desk and waits. One
Tune goes through all rounds of a search and asks for the next when nothing of the one before is open, while the groups
stay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.backends.ray import worker_group as group
from hpt_ray.execute.backends.ray.broker import Desk
from hpt_ray.execute.backends.ray.scratch import scratch
from hpt_ray.execute.backends.ray.session import alive
from hpt_ray.execute.backends.ray.trial import trial
from hpt_ray.execute.events import INTERRUPTED, NEEDS, Event, Tell
from hpt_ray.execute.failures import lacks_weights, record_failure
from hpt_ray.execute.interrupts import StopNow
from hpt_ray.execute.machine import Layout
from hpt_ray.execute.queue import Queue
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store

POLL_SECONDS = 0.2
START_SECONDS = 300.0
STOP_SECONDS = 30.0


class RayDiedError(StudyError):
    """Ray is gone: nothing more can be asked of it."""


class RayRunner:
    """Runs units on a connected Ray; ``close`` waits until its worker groups have gone home."""

    def __init__(self, ray: Any, layout: Layout, study: str, name: str) -> None:
        """
        Args:
            name: of this run of the study: what Ray calls its parts by.
        """
        self.ray, self.layout, self.study, self.name = ray, layout, study, name
        self.desk: Any = None
        self.groups: list[threading.Thread] = []
        self.over = threading.Event()
        self.patience = STOP_SECONDS
        self.scratch = scratch()

    def run(self, rounds: Iterator[list[Unit]], store: Store, tell: Tell, stopping: Callable[[], bool]) -> None:
        """
        Raises:
            StudyError: if the worker groups do not come up, or Ray loses what a run cannot do without.
        """
        # It stays with this process: a node that is lost takes its groups with it, never the desk.
        here = {"ray.io/node-id": self.ray.get_runtime_context().get_node_id()}
        desk = self.ray.remote(Desk).options(
            name=f"desk of {self.name}", num_cpus=0, max_concurrency=1000, label_selector=here
        )
        self.desk = desk.remote(self.study)
        self.groups = [
            group.start(self.desk, number, self.name, self.layout, store.where, self.scratch.name, self.over)
            for number in range(self.layout.slots)
        ]
        queue = Queue(self._expected(rounds))
        tuning = threading.Thread(target=self._tune, args=(queue, store, tell), daemon=True)
        tuning.start()
        try:
            self._follow(tuning, queue, tell, stopping)
            self.ray.get(self.desk.close.remote())
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.OutOfMemoryError) as error:
            raise StudyError(self._loss(error)) from error
        except (StopNow, RayDiedError):
            self.patience = 0.0
            raise
        except StudyError:
            # Ray ends the whole process if its threads still use it after its shutdown: let them end first.
            queue.stop()
            self.ray.get(self.desk.stop.remote())
            tuning.join(timeout=STOP_SECONDS)
            raise
        finally:
            self.over.set()
        if queue.error:
            raise queue.error

    def close(self) -> None:
        """Wait for the groups, which end once the desk has closed, and remove what they left behind."""
        for thread in self.groups:
            thread.join(timeout=self.patience)
        if self.desk is not None and alive(self.ray):
            self.ray.kill(self.desk)
        self.scratch.cleanup()

    def _expected(self, rounds: Iterator[list[Unit]]) -> Iterator[list[Unit]]:
        for units in rounds:
            self.ray.get(self.desk.expect.remote(units))
            yield units

    def _follow(self, tuning: threading.Thread, queue: Queue, tell: Tell, stopping: Callable[[], bool]) -> None:
        began, stopped = time.monotonic(), False
        while tuning.is_alive():
            tuning.join(POLL_SECONDS)
            if not alive(self.ray):
                raise RayDiedError("Ray's own processes were ended from outside: run the same command again to go on.")
            if stopping() and not stopped:
                stopped = True
                queue.stop()
                self.ray.get(self.desk.stop.remote())
            events, ready = self.ray.get(self.desk.listen.remote())
            for event in events:
                tell(event)
            if not any(thread.is_alive() for thread in self.groups):
                raise StudyError("every worker group has stopped: see Ray's logs, or try --runner inline.")
            if not ready and time.monotonic() - began > START_SECONDS:
                raise StudyError(
                    f"no worker group came up in {START_SECONDS:.0f} s: the cluster lacks room for "
                    f"{self.layout.workers} workers; free some or use fewer --workers."
                )
        for event in self.ray.get(self.desk.listen.remote())[0]:
            tell(event)

    def _tune(self, queue: Queue, store: Store, tell: Tell) -> None:
        from ray import tune

        try:
            trainable = tune.with_resources(tune.with_parameters(trial, desk=self.desk), {"CPU": 0.01})
            tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=_searcher(queue, store, tell),
                    num_samples=-1,
                    max_concurrent_trials=self.layout.slots,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.config["label"],
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(
                    name=self.name,
                    storage_path=self.scratch.name,
                    verbose=0,
                ),
            ).fit()
        except StudyError as error:
            queue.error = error
        except Exception as error:
            queue.error = StudyError(self._loss(error))

    def _loss(self, error: Exception) -> str:
        """What a run was lost to, in one line: what Ray says of a full memory is a page of other users' processes."""
        kept = "what is finished is kept; run the same command again to go on"
        if isinstance(error, self.ray.exceptions.OutOfMemoryError) or "low on memory" in str(error):
            fewer = f", with --slots {self.layout.slots - 1}," if self.layout.slots > 1 else ""
            return (
                f"this machine's memory is full, so Ray ended processes of this run: {kept}{fewer} once some is free."
            )
        if isinstance(error, self.ray.exceptions.RayActorError):
            return f"Ray lost the desk of this run (killed?): {kept}."
        return f"Ray Tune stopped ({type(error).__name__}: {str(error).splitlines()[0]}): {kept}."


def _searcher(queue: Queue, store: Store, tell: Tell) -> Any:
    """Tune's view of the queue: suggests a unit that is ready, nothing while none is, and ends when all are given."""
    from ray.tune.search import Searcher

    class ReadyUnits(Searcher):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__(metric="failed", mode="min")
            self.given: dict[str, Unit] = {}

        def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
            return True

        def suggest(self, trial_id: str) -> Any:
            if not queue.refill():
                return Searcher.FINISHED
            unit = queue.next()
            if unit is None:
                return None
            self.given[trial_id] = unit
            return {"unit": unit.id, "label": unit.label}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            unit = self.given.pop(trial_id)
            if error and queue.again(unit):
                return
            why = "Ray lost its trial" if error else (result or {}).get("failed", "")
            failed = bool(why) and lacks_weights(unit, store)
            if failed and not why.startswith(INTERRUPTED):
                record_failure(unit, store, why)  # a worker that was killed could not
            for lost in queue.settle(unit, failed):
                reason = f"{NEEDS}{unit.label}, which failed"
                record_failure(lost, store, reason)
                tell(Event(kind="failed", unit=lost.id, label=lost.label, reason=reason))

        def __reduce__(self) -> tuple[Any, ...]:
            # Tune pickles it with the experiment, to resume from; nothing here does, and rounds cannot be pickled.
            return object, ()

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()

        def restore(self, checkpoint_path: str) -> None:
            raise AssertionError("a study is resumed by running it again, never from Tune's state")

    return ReadyUnits()
