"""A run as a Tune experiment: every unit that a worker group begins is a trial, which ends when the unit ends.

The broker alone queues units: a trial only shows a unit and nothing waits for it, so that a trial that is lost with its
process or node does no harm. The processes of trials import this file, so it imports only what they need.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_ray.execute.events import Event

#: More units than this do not run at the same time on any cluster.
TRIALS = 10_000


def trial(config: dict[str, Any], broker: Any) -> None:
    """Tune's function trainable: wait until the unit with the id ``config["unit"]`` has ended and report how."""
    import ray
    from ray import tune

    tune.report({"failed": ray.get(broker.outcome.remote(config["unit"]))})


class Experiment:
    """Runs Tune in a second thread and passes it the events of the run."""

    def __init__(self, broker: Any, name: str, folder: str) -> None:
        """
        Args:
            folder: where Tune writes its files, which are not used.
        """
        self.begun = SimpleQueue["Event | None"]()  # None is the last item
        self.units: set[str] = set()
        self.failure: str | None = None  # why Tune failed, in one line
        self.thread = threading.Thread(target=self._fit, args=(broker, name, folder), daemon=True)
        self.thread.start()

    def note(self, event: Event) -> None:
        """Begin a trial if this event is the start of a unit."""
        if event.kind == "started" and event.unit not in self.units:  # a unit that is delivered again keeps its trial
            self.units.add(event.unit)
            self.begun.put(event)

    def ended(self, seconds: float) -> bool:
        """Begin no more trials, and wait at most this long for the running ones. Returns whether all have ended."""
        self.begun.put(None)
        self.thread.join(timeout=seconds)
        return not self.thread.is_alive()

    def _fit(self, broker: Any, name: str, folder: str) -> None:
        from ray import tune

        try:
            tune.Tuner(
                tune.with_resources(tune.with_parameters(trial, broker=broker), {"CPU": 0.01}),
                tune_config=tune.TuneConfig(
                    search_alg=_searcher(self.begun),
                    num_samples=-1,
                    max_concurrent_trials=TRIALS,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.config["label"],
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(name=name, storage_path=folder, verbose=0),
            ).fit()
        except Exception as error:  # the units go on without their trials
            from hpt_ray.execute.worker import reason_of

            self.failure = reason_of(error)
            if os.environ.get("HPT_DEBUG"):
                raise


def _searcher(begun: SimpleQueue[Event | None]) -> Any:
    """A Tune search algorithm that suggests the units that have begun, and ends with the run."""
    from ray.tune.search import Searcher

    class BegunUnits(Searcher):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__(metric="failed", mode="min")
            self.live: set[str] = set()

        def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
            return True

        def suggest(self, trial_id: str) -> Any:
            try:
                event = begun.get(block=not self.live)  # without blocking, Tune would ask again only a second later
            except Empty:
                return None
            if event is None:
                return Searcher.FINISHED
            self.live.add(trial_id)
            return {"unit": event.unit, "label": event.label}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            self.live.discard(trial_id)

        def __reduce__(self) -> tuple[Any, ...]:
            # Tune pickles it to resume experiments, which is not used here; a queue cannot be pickled.
            return object, ()

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()

        def restore(self, checkpoint_path: str) -> None:
            raise AssertionError("a study is resumed by running it again, never from Tune's state")

    return BegunUnits()
