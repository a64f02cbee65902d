"""The progress of a run: a live panel in a terminal, a line every few seconds when piped."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.cli.console import counted, facts, out
from hpt_ray.cli.decoding_progress import DecodingProgress
from hpt_ray.cli.plan_output import describe_plan
from hpt_ray.core.text import visible
from hpt_ray.execute.events import Event, Observer, Progress

if TYPE_CHECKING:
    from hpt_ray.cli.run_log import RunLog
    from hpt_ray.core.layout import Layout
    from hpt_ray.planning.plan import Plan, Unit

#: Seconds between two lines of a piped run: in its first minute, and later, few enough for hours; and of the log of a
#: run in a terminal, where a panel shows them.
FIRST_SECONDS, LINE_SECONDS, PANEL_SECONDS = 4.0, 15.0, 60.0
#: The same while data is decoded.
DECODING_SECONDS = 10.0


@contextlib.contextmanager
def decoding() -> Iterator[Callable[[str, int, int], None]]:
    """Shows how far a data set is decoded, the first time it is used."""
    with live() as observer:
        yield observer.decoding


def print_line(line: str) -> None:
    """Print a line, if it is one."""
    if line:
        out.print(line)


class RunObserver(Observer):
    """Draws a run: a live panel in a terminal, a line every few seconds otherwise."""

    def __init__(self, live: Live | None, log: RunLog | None = None) -> None:
        self.live, self.log = live, log
        self.state: Progress | None = None
        self.began = self.printed_at = time.monotonic()
        self._decoding = (
            DecodingProgress(live.update, every=0.0) if live else DecodingProgress(print_line, every=DECODING_SECONDS)
        )

    def decoding(self, data: str, done: int, total: int) -> None:
        self._decoding(visible(data), done, total)

    def doing(self, what: str) -> None:
        if self.live:
            self.live.update(Spinner("dots", f" {what} ..."))
        else:
            out.print(f"{what} ...")

    def planned(self, plan: Plan, units: list[Unit], cached: int) -> None:
        if self.log:
            self.log.belongs_to(plan.run)
        describe_plan(plan, cached)
        if not units:
            out.print("everything is finished: nothing to train.")

    def started(self, layout: Layout, dashboard: str | None) -> None:
        lines = facts()
        each = f"{counted(layout.workers, 'worker')} each, {counted(layout.threads, 'thread')} per worker"
        gpu = "" if not layout.stages_per_gpu else ", a GPU" if layout.stages_per_gpu == 1 else ", sharing GPUs"
        lines.add_row("running", f"{counted(layout.slots, 'stage')} at a time, {each}{gpu}")
        address, *token = dashboard.split(maxsplit=1) if dashboard else [""]
        if address:
            lines.add_row("Ray dashboard", address)
        out.print(lines)
        if token:
            secret = facts()
            secret.add_row("", token[0])
            out.private(secret)
        if self.live:
            self.doing("starting the first stages")

    def progress(self, event: Event, state: Progress) -> None:
        self.state = state
        if event.kind == "failed":
            out.print(Text("failed", "red"), f"{event.label}: {event.reason}")
        if event.kind == "note":
            out.print(event.reason)
        if self.live:
            self.live.update(self.panel())
        if time.monotonic() - self.printed_at > self._pause():
            self.printed_at = time.monotonic()
            if not self.live:
                out.print(self.line())
            elif self.log:
                self.log.note(self.line())
        if self.log and self.log.due():
            self.log.write()

    def _pause(self) -> float:
        """Seconds until the next line."""
        if self.live:
            return PANEL_SECONDS
        return FIRST_SECONDS if time.monotonic() - self.began < 60 else LINE_SECONDS

    def damaged(self, path: str, why: str) -> None:
        out.print(f"damaged, to be recomputed: {path} ({why})", soft_wrap=True)

    def looked(self, line: str) -> None:
        out.print(line)

    def stopping(self) -> None:
        out.print("stopping once every stage at work has written a checkpoint; again to stop at once.")

    def line(self) -> str:
        state = self.state
        assert state is not None
        left = state.seconds_left
        parts = [
            f"{state.cells_done}/{len(state.cells)} cells, {state.done}/{state.total} stages done",
            f"{len(state.running)} running",
            *([counted(len(state.failed), "failure")] if state.failed else []),
        ]
        if state.images:  # evaluations alone have no images to count
            parts += [f"{state.rate:,.0f} images/s", f"{duration(left)} left" if left is not None else "starting"]
        return ", ".join(parts)

    def panel(self) -> Group:
        assert self.state is not None
        lines = Table.grid(padding=(0, 0, 0, 2))
        lines.add_column()
        lines.add_column(style="dim")
        for event in self.state.running.values():
            loss = f"loss {event.loss:.3f}" if event.loss is not None else "starting"
            lines.add_row(event.label, loss)
        return Group(self.line(), lines)


@contextlib.contextmanager
def live(log: RunLog | None = None) -> Iterator[RunObserver]:
    """The observer of one run, which writes its log now and then."""
    if not out.is_terminal:
        yield RunObserver(None, log)
        return
    with Live("", console=out, refresh_per_second=4, transient=True) as drawn:
        yield RunObserver(drawn, log)
