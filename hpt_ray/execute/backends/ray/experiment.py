"""A run as a Tune experiment: every unit that a worker group begins is a trial, which ends as the unit does.

Units are queued by the broker alone: a trial shows one and nothing waits for it, so that one which is lost with its
process or its node costs nothing. The processes of trials import this file: it imports nothing that they do not need.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_ray.execute.events import Event


def trial(config: dict[str, Any], broker: Any) -> None:
    """Tune's function trainable: wait until the unit with the id ``config["unit"]`` has ended and report how."""
    import ray
    from ray import tune

    tune.report({"failed": ray.get(broker.outcome.remote(config["unit"]))})


class Experiment:
    """Tune in a thread of its own, told of the run's events."""

    def __init__(self, broker: Any, name: str, folder: str, slots: int) -> None:
        """
        Args:
            folder: where Tune writes what nobody reads.
            slots: units at work at a time.
        """
        self.begun = SimpleQueue["Event | None"]()  # None ends it
        self.units: set[str] = set()
        self.thread = threading.Thread(target=self._fit, args=(broker, name, folder, slots), daemon=True)
        self.thread.start()

    def note(self, event: Event) -> None:
        """Take note of what a backend tells."""
        if event.kind == "started" and event.unit not in self.units:  # one that is delivered again keeps its trial
            self.units.add(event.unit)
            self.begun.put(event)

    def ended(self, seconds: float) -> bool:
        """Begin no more trials, and wait for those there are: so long at most. Returns whether all have ended."""
        self.begun.put(None)
        self.thread.join(timeout=seconds)
        return not self.thread.is_alive()

    def _fit(self, broker: Any, name: str, folder: str, slots: int) -> None:
        from ray import tune

        try:
            tune.Tuner(
                tune.with_resources(tune.with_parameters(trial, broker=broker), {"CPU": 0.01}),
                tune_config=tune.TuneConfig(
                    search_alg=_searcher(self.begun),
                    num_samples=-1,
                    max_concurrent_trials=slots,
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.config["label"],
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(name=name, storage_path=folder, verbose=0),
            ).fit()
        except Exception:  # the units go on without their trials
            if os.environ.get("HPT_DEBUG"):
                raise


def _searcher(begun: SimpleQueue[Event | None]) -> Any:
    """Tune's view of the run: suggests the units that have begun, and ends with the run."""
    from ray.tune.search import Searcher

    class BegunUnits(Searcher):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__(metric="failed", mode="min")
            self.live: set[str] = set()

        def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
            return True

        def suggest(self, trial_id: str) -> Any:
            try:
                event = begun.get(block=not self.live)  # else Tune would ask again a second later
            except Empty:
                return None
            if event is None:
                return Searcher.FINISHED
            self.live.add(trial_id)
            return {"unit": event.unit, "label": event.label}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            self.live.discard(trial_id)

        def __reduce__(self) -> tuple[Any, ...]:
            # Tune pickles it with the experiment, to resume from; nothing here does, and a queue cannot be pickled.
            return object, ()

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()

        def restore(self, checkpoint_path: str) -> None:
            raise AssertionError("a study is resumed by running it again, never from Tune's state")

    return BegunUnits()
