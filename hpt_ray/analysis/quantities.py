"""Numbers of key figures and tables: data for a script, with the one way in which each is written for a reader."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.speedup import SpeedUp
from hpt_ray.analysis.measures.spending import brief, brief_interval, estimate
from hpt_ray.analysis.measures.text_format import (
    SHARES,
    Unit,
    brackets,
    change_interval,
    percent,
    points,
    share_interval,
)
from hpt_ray.analysis.stats.bootstrap import Interval

#: Behind a difference, what it was judged to be; nothing where there is not enough evidence.
MARKS = {Outcome.BETTER: " ▲", Outcome.WORSE: " ▼", Outcome.EQUIVALENT: " ≈", Outcome.UNDECIDED: ""}


class Quantity(Protocol):
    """A number: ``value`` and ``beside`` (its interval) as text, ``text`` both in one, ``record`` for JSON."""

    @property
    def value(self) -> str: ...

    @property
    def beside(self) -> str: ...

    @property
    def text(self) -> str: ...

    @property
    def record(self) -> dict[str, Any]: ...


#: What a cell of a table may hold: text, a number, or nothing.
Cell = str | Quantity | None


@dataclass(frozen=True)
class Share:
    """A share with its interval, written in per cent, or a value of another unit."""

    interval: Interval
    unit: Unit = SHARES

    @property
    def value(self) -> str:
        return percent(self.interval.estimate, self.unit)

    @property
    def beside(self) -> str:
        return brackets(self.interval, signed=False, unit=self.unit)

    @property
    def text(self) -> str:
        return share_interval(self.interval, self.unit)

    @property
    def record(self) -> dict[str, Any]:
        return {"unit": "share" if self.unit == SHARES else "value"} | interval_record(self.interval)


@dataclass(frozen=True)
class Change:
    """A difference of shares, written in points, and what it was judged to be; ``signed`` is False of a spread."""

    interval: Interval
    outcome: Outcome | None = None
    signed: bool = True
    unit: Unit = SHARES

    @property
    def value(self) -> str:
        return points(self.interval.estimate, signed=self.signed, unit=self.unit)

    @property
    def beside(self) -> str:
        return brackets(self.interval, signed=self.signed, unit=self.unit)

    @property
    def text(self) -> str:
        mark = MARKS[self.outcome] if self.outcome else ""
        return change_interval(self.interval, signed=self.signed, unit=self.unit) + mark

    @property
    def record(self) -> dict[str, Any]:
        decision = {"decision": str(self.outcome)} if self.outcome else {}
        unit = "difference of shares" if self.unit == SHARES else "difference"
        return {"unit": unit} | interval_record(self.interval) | decision


@dataclass(frozen=True)
class Times:
    """A speed-up, written as the interval of a factor, of which an end may be open."""

    speed: SpeedUp

    @property
    def value(self) -> str:
        return brief(self.speed)

    @property
    def beside(self) -> str:
        return f"95 % interval; estimate {estimate(self.speed)}"

    @property
    def text(self) -> str:
        return brief_interval(self.speed)

    @property
    def record(self) -> dict[str, Any]:
        parts = {"estimate": self.speed.ratio, "low": self.speed.low, "high": self.speed.high}
        known = {name: part if math.isfinite(part) else None for name, part in parts.items()}
        return {"unit": "ratio", "bound": str(self.speed.bound)} | known


@dataclass(frozen=True)
class Part:
    """A share without an interval, of what ``of`` says: "25 %", "of the images"; with ``digits`` decimals at most."""

    share: float
    of: str
    digits: int | None = None

    @property
    def value(self) -> str:
        percentage = 100 * self.share
        return f"{percentage:g} %" if self.digits is None else f"{percentage:.{self.digits}f} %"

    @property
    def beside(self) -> str:
        return self.of

    @property
    def text(self) -> str:
        return self.value

    @property
    def record(self) -> dict[str, Any]:
        return {"unit": "share", "estimate": self.share, "of": self.of}


@dataclass(frozen=True)
class Count:
    """A number out of a total: "6 of 9", "cells"."""

    number: int
    total: int
    what: str

    @property
    def value(self) -> str:
        return f"{self.number} of {self.total}"

    @property
    def beside(self) -> str:
        return self.what

    @property
    def text(self) -> str:
        return f"{self.value} {self.what}"

    @property
    def record(self) -> dict[str, Any]:
        return {"unit": self.what, "estimate": self.number, "total": self.total}


def interval_record(interval: Interval) -> dict[str, Any]:
    """An interval as JSON has it; ``p`` is None where zero is no hypothesis."""
    p = None if math.isnan(interval.p) else interval.p
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "seeds": interval.seeds,
        "p": p,
    }


def share(interval: Interval | None) -> Share | None:
    """An interval as a share; None without one."""
    return None if interval is None else Share(interval)


def change(interval: Interval | None, outcome: Outcome | None = None) -> Change | None:
    """An interval as a difference of shares; None without one."""
    return None if interval is None else Change(interval, outcome)


def cell_text(cell: Cell) -> str:
    """A cell of a table as it is read; a dash where there is nothing."""
    return "–" if cell is None else cell if isinstance(cell, str) else cell.text
