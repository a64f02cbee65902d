"""The heartbeat of a run: a small file in its folder, written again every few seconds while the run goes on.

It tells a live run from a dead one on any file system and in an object store, where a lock would not: a run whose
process was killed stops writing it. Writer and reader compare their clocks, which must agree to well within
``DEAD_SECONDS``.
"""

from __future__ import annotations

import datetime

from pydantic import AwareDatetime, ConfigDict, ValidationError

from hpt_ray.core.errors import StoreError
from hpt_ray.core.values import Frozen
from hpt_ray.store.files import Files

HEARTBEAT = "heartbeat.json"
#: Seconds between two heartbeats, and without one until a run counts as dead.
BEAT_SECONDS, DEAD_SECONDS = 10.0, 60.0


class Heartbeat(Frozen):
    """The progress of a run, written while it goes on, and last at its end.

    Attributes:
        going: False at the end of a run that was not killed.
        began, at: when the run began, or went on after an interruption, and when this was written.
        cells, stages: numbers of all; ``cells_done`` counts those with all their results, ``stages_done`` those that
            this process has run, of the ``stages`` that it found left to run.
        images_per_second: over all workers. seconds_left: at this rate; None where it is not known.
        dashboard: the address of Ray's dashboard, if there is one.
    """

    model_config = ConfigDict(extra="ignore")

    going: bool
    began: AwareDatetime
    at: AwareDatetime
    cells: int = 0
    cells_done: int = 0
    stages: int = 0
    stages_done: int = 0
    images_per_second: float = 0.0
    seconds_left: float | None = None
    dashboard: str | None = None

    def alive(self, now: datetime.datetime) -> bool:
        """Whether the run goes on at a time."""
        return self.going and (now - self.at).total_seconds() < DEAD_SECONDS


def now() -> datetime.datetime:
    """The time, to the second as records have it."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def read(files: Files, run: str) -> Heartbeat | None:
    """The last heartbeat of a run; None of a run of an earlier version, and where it is damaged."""
    path = f"runs/{run}/{HEARTBEAT}"
    try:
        return Heartbeat.model_validate_json(files.read(path)) if files.exists(path) else None
    except (StoreError, ValidationError):
        return None


def write(files: Files, run: str, beat: Heartbeat) -> None:
    """Replace the heartbeat of a run. Raises StoreError if it cannot be written."""
    files.write_json(f"runs/{run}/{HEARTBEAT}", beat.model_dump(mode="json"))
