"""The lock of a unit: if several runs on one store share a stage, one trains it and the others wait."""

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
    """Lock a unit while it runs; wait as long as another process holds the lock.

    The operating system holds the lock on a file in the store and releases it when the process ends, even if it is
    killed. An object store has no locks: there two runs may both train a shared stage, and write the same content.

    Raises:
        StageInterruptedError: if ``tell`` returns False, since the run is to stop, while this waits.
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
        # Other processes may still wait on this file. It is deleted only if they will find the unit finished.
        if all(store.record(stage.id) for stage in unit.stages):
            path.unlink(missing_ok=True)
        lock.release()
