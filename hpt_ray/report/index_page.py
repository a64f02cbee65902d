"""The page of a store: its runs, study by study, with links to their reports, and runs of one study compared."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from hpt_ray.analysis.compared import Compared, compare
from hpt_ray.analysis.measures.run import Run
from hpt_ray.report.render import page


@dataclass(frozen=True)
class Entry:
    """A run as the page lists it.

    Attributes:
        run: its id. name, note: given by a user, or "".
        study, question, targets: what it asks. state: in one word. since: of that, in ISO 8601.
        part: how much of it is there, such as "12/12 cells". headlines: by target, as far as it has verdicts.
        seconds: of work in its stages; None: not known. report: whether it has one.
    """

    run: str
    name: str
    note: str
    study: str
    question: str
    targets: tuple[str, ...]
    state: str
    since: str
    part: str
    headlines: dict[str, str]
    seconds: float | None
    report: bool

    @property
    def called(self) -> str:
        return self.name or self.run

    @property
    def link(self) -> str:
        """Its report's address from the page."""
        return f"runs/{quote(self.run)}/report.html"

    @property
    def moment(self) -> str:
        """Since when it is in this state, in UTC."""
        time = datetime.datetime.fromisoformat(self.since).astimezone(datetime.UTC) if self.since else None
        return time.strftime("%Y-%m-%d %H:%M UTC") if time else ""


@dataclass(frozen=True)
class Pair:
    """Two runs of one study, the older one first, and what differs."""

    one: Entry
    other: Entry
    compared: Compared


def pair(one: Entry, other: Entry, runs: tuple[Run, Run]) -> Pair:
    """Two runs of one study compared, the older one first."""
    return Pair(one, other, compare(*runs, (one.called, other.called)))


def index_page(store: str, entries: Sequence[Entry], pairs: Sequence[Pair], left_out: int) -> str:
    """The page as HTML text.

    Args:
        store: its path or address, as it is shown. left_out: how many pairs of runs were not compared.
    """
    studies: dict[str, list[Entry]] = {}
    for entry in entries:
        studies.setdefault(entry.study, []).append(entry)
    return page(
        "index.html.j2",
        [],
        name="hpt-study",
        title="Runs",
        store=store,
        studies=studies,
        pairs=pairs,
        left_out=left_out,
    )
