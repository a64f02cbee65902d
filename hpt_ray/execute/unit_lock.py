"""The lock of a unit: of several runs on one store, one trains a stage that they share, the others wait for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from hpt_ray.core.errors import StageInterruptedError, StoreError
from hpt_ray.execute.events import Event, Tell
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store

POLL_SECONDS = 1.0


@contextlib.contextmanager
def locked(unit: Unit, store: Store, tell: Tell) -> Iterator[None]:
    """Hold a unit while it runs; wait for as long as another process holds it.

    It is a lock of the operating system on a file in the store: it ends with its process, however that dies. An
    object store has no locks: there two runs may both train a shared stage, and write the same content.

    Raises:
        StageInterruptedError: when ``tell`` answers, while this waits, that the run is to stop.
        StoreError: if the store cannot be written.
    """
    if not store.local:
        yield
        return
    path = Path(store.root, "locks", f"{unit.id}.lock")
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=POLL_SECONDS)
                break
            if not tell(Event(kind="progress", unit=unit.id, label=unit.label)):
                raise StageInterruptedError("interrupted while another run was at it")
    except OSError as error:
        raise StoreError(f"{path} cannot be locked ({error.strerror}): choose another store.") from error
    try:
        yield
    finally:
        # Whoever still waits for it then finds the unit finished. Unfinished, it must stay the one that all wait for.
        if all(store.record(stage.id) for stage in unit.stages):
            path.unlink(missing_ok=True)
        lock.release()
