"""How far a data set is decoded, in one line: with its rate, and the time that is left at it."""

from __future__ import annotations

import time
from collections.abc import Callable

from hpt_ray.analysis.measures.text_format import duration

#: Seconds after which a rate can be told.
SETTLED = 1.0


class DecodingProgress:
    """Is called while data is decoded; shows a line at most every so many seconds, and "" at the end.

    Args:
        show: Called with the line.
        every: Seconds between two lines.
    """

    def __init__(self, show: Callable[[str], object], every: float) -> None:
        self.show, self.every = show, every
        self.data, self.first, self.done, self.began, self.shown_at = "", 0, 0, 0.0, 0.0

    def __call__(self, data: str, done: int, total: int) -> None:
        """Images done, and images in all; what an earlier run had decoded counts as done, but not to the rate."""
        now = time.monotonic()
        if data != self.data or done < self.done:  # images of more than eight bits are counted twice
            self.data, self.first, self.began, self.shown_at = data, done, now, now
        self.done = done
        if done == total:
            self.show("")
        elif now - self.shown_at >= self.every:
            self.shown_at = now
            self.show(self.line(total, now - self.began))

    def line(self, total: int, seconds: float) -> str:
        """The line after so many seconds."""
        parts = [f"decoding {self.data}: {self.done:,} of {total:,} images"]
        if seconds > SETTLED and self.done > self.first:
            rate = (self.done - self.first) / seconds
            parts += [f"{rate:,.0f} images/s", f"{duration((total - self.done) / rate)} left"]
        return ", ".join(parts)
