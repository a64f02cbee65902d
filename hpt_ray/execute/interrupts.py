"""Ctrl-C, and the SIGTERM that a cluster sends: the first asks a run to stop cleanly, the second stops it at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class StopNow(KeyboardInterrupt):
    """The second signal: the run ends at once, without waiting for threads."""


SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
