"""Ctrl-C, and the SIGTERM that a cluster sends: the first asks a run to stop in good order, the second stops it now."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class StopNow(KeyboardInterrupt):
    """The second signal: not even threads are waited for."""


SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def orderly(told: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first signal into a request that the work within is to ask for.

    Yields:
        A function that says whether the work has been asked to stop.

    Args:
        told: called when the request arrives.

    Raises:
        KeyboardInterrupt: with the signal's number, at the end of work that was asked to stop. StopNow: at once when
            a second signal comes. Only the main thread gets signals: elsewhere this changes nothing.
    """
    asked: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise StopNow(number)
        told()

    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handle) for number in SIGNALS} if main else {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if asked:
        raise KeyboardInterrupt(asked[0])
