"""The runs of a store, as the terminal shows them: once, or again and again while one of them goes on."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.text import Text

from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.cli.console import facts, out, table

if TYPE_CHECKING:
    from hpt_ray.execute.states import RunState

#: Seconds between two looks at a store that is followed, and between two lines about it where they are piped.
LOOK_SECONDS, LINE_SECONDS = 2.0, 15.0
COLOURS = {"running": "cyan", "failed": "red", "damaged": "red", "interrupted": "yellow"}


def show(states: list[RunState], store: str) -> None:
    """The runs as a table, and where the report of each is."""
    if not states:
        out.print(f"no runs in {store}")
        return
    out.print(overview(states))
    out.print()
    for state in states:
        if state.note:
            out.print(f"{called(state)}: {state.note}", soft_wrap=True)
        out.print(f"damaged: {state.damage}" if state.damage else f"report: {state.report}", soft_wrap=True)


def overview(states: list[RunState]) -> Group:
    """A line for each run; of those that go on also how fast, for how long and where Ray's dashboard is."""
    lines, running = table("run", "state", "since", "cells", "stages"), facts()
    for state in states:
        stages = "" if state.damage else f"{state.finished}/{state.total}"
        failed = f", {state.failed} failed" if state.failed else ""
        cells = "" if state.cells is None else f"{state.cells_done}/{state.cells}"
        word = Text(state.state, COLOURS.get(state.state, ""))
        lines.add_row(called(state), word, local(state.since), cells, stages + failed)
        if state.state == "running":
            running.add_row("running", called(state))
            running.add_row("", pace(state))
            if state.dashboard:
                running.add_row("Ray dashboard", state.dashboard)
    return Group(lines, "", running) if running.row_count else Group(lines)


def called(state: RunState) -> str:
    """A run as a user calls it: by its name, if it has one, and by its id."""
    return f"{state.name} ({state.run})" if state.name else state.run


def pace(state: RunState) -> str:
    """How fast a run goes, and how much time is left: "1,200 images/s, 4 min left"."""
    if not state.images_per_second:  # evaluations alone have no images to count
        return "starting, or evaluating"
    left = "" if state.seconds_left is None else f", {duration(state.seconds_left)} left"
    return f"{state.images_per_second:,.0f} images/s{left}"


def line(state: RunState) -> str:
    """A run that is followed, for a log."""
    stages = f"{state.finished}/{state.total} stages"
    cells = "" if state.cells is None else f"{state.cells_done}/{state.cells} cells, "
    rest = f", {pace(state)}" if state.state == "running" else f" since {local(state.since)}"
    return f"{called(state)}: {state.state}{'' if state.damage else f', {cells}{stages}{rest}'}"


def follow(look: Callable[[], list[RunState]], store: str) -> None:
    """Show runs until none of them is running any more: redrawn in a terminal, else a line now and then.

    Args:
        look: the runs as they are now.
    """
    states = look()
    if out.is_terminal:
        with Live(overview(states), console=out, auto_refresh=False, transient=True) as drawn:
            while any(state.state == "running" for state in states):
                time.sleep(LOOK_SECONDS)
                states = look()
                drawn.update(overview(states), refresh=True)
    else:
        before, printed_at = dict[str, str](), -LINE_SECONDS
        while running := [state for state in states if state.state == "running"]:
            lines = {state.run: line(state) for state in running}
            if time.monotonic() - printed_at >= LINE_SECONDS and lines != before:
                for text in lines.values():
                    out.print(text, soft_wrap=True)
                before, printed_at = lines, time.monotonic()
            time.sleep(LOOK_SECONDS)
            states = look()
    show(states, store)


def local(moment: str) -> str:
    """A time in ISO 8601 by this machine's clock, to the minute."""
    return datetime.datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M") if moment else ""
