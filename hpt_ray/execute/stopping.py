"""How a run stops: a signal requests it, and the work checks for the request, or is abandoned by a second thread.

Of Ctrl-C and the SIGTERM that a cluster sends, the first asks a run to stop cleanly, the second stops it at once. An
evaluation may take minutes inside a library, and so may one step of a large network on a CPU, but a cluster waits 30 s.
The next run repeats abandoned work, or resumes it from its last checkpoint.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from hpt_ray.core.errors import StageInterruptedError
from hpt_ray.execute.events import Event, Tell
from hpt_ray.planning.plan import Unit

if TYPE_CHECKING:  # the driver imports this without torch
    from hpt_ray.training.workers import Workers

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_SECONDS = 0.5
#: The second thread checks for a request once the work has reported nothing for this long.
QUIET_SECONDS = 2.0


class StopNow(KeyboardInterrupt):
    """The second signal: the run ends at once, without waiting for threads."""


@contextlib.contextmanager
def orderly(on_request: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first signal into a request to stop, which the work inside checks for.

    Yields:
        A function that says whether the work has been asked to stop.

    Args:
        on_request: called when the request arrives.

    Raises:
        KeyboardInterrupt: with the signal's number, at the end of work that was asked to stop. StopNow: at once, when
            a second signal arrives. Only the main thread receives signals: in others this does nothing.
    """
    signals: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        signals.append(number)
        if len(signals) > 1:
            raise StopNow(number)
        on_request()

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handle) for number in SIGNALS} if main else {}
    try:
        yield lambda: bool(signals)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if signals:
        raise KeyboardInterrupt(signals[0])


class AbandonedError(StageInterruptedError):
    """Raised in the middle of work that is abandoned."""

    def __init__(self) -> None:
        super().__init__("interrupted in the middle of it")


class Watch:
    """A context for work in this thread, which reports its progress through the method ``tell``."""

    def __init__(self, unit: Unit, tell: Tell, patience: float | None) -> None:
        """
        Args:
            patience: seconds that the work has to notice a request to stop; None: it is never abandoned.
        """
        self.unit, self.patience = unit, patience
        self._tell, self._worker = tell, threading.get_ident()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._told_at, self._refused_at = time.monotonic(), math.inf
        self._noticed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def tell(self, event: Event) -> bool:
        """Report progress. Returns whether to go on; once it returned False, the work is no longer watched."""
        with self._lock:
            self._told_at = time.monotonic()
            go_on = self._tell(event) and self._refused_at == math.inf
            self._noticed = not go_on
            return go_on

    def _watch(self) -> None:
        while not self._over.wait(POLL_SECONDS):
            with self._lock:
                if self._noticed:
                    return
                now = time.monotonic()
                if self._refused_at == math.inf and now - self._told_at >= QUIET_SECONDS and not self._go_on():
                    self._refused_at = now
                # Repeated, since a library may catch the exception.
                if self.patience is not None and now - self._refused_at >= self.patience:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self._worker), ctypes.py_object(AbandonedError)
                    )

    def _go_on(self) -> bool:
        try:
            return self._tell(Event(kind="progress", unit=self.unit.id, label=self.unit.label))
        except BaseException as error:  # raised again at the end, in the thread of the work
            self._error = error
            return False

    def __enter__(self) -> Watch:
        if self.patience is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._over.set()
            if self._thread.ident:
                self._thread.join(QUIET_SECONDS)
        finally:
            if self._error:
                raise self._error


@contextlib.contextmanager
def interrupted_together(workers: Workers) -> Iterator[None]:
    """Work that each worker of a group does alone: if one is interrupted, all are, once they have ended theirs.

    An error is not waited with: the others notice that the worker is gone.
    """
    interruption = None
    try:
        yield
    except StageInterruptedError as error:
        interruption = error
    if workers.any(interruption is not None):
        raise interruption or StageInterruptedError("interrupted with another worker")
