"""What the commands print: rich in a terminal, plain lines when piped."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from hpt_ray.analysis.wording import duration
from hpt_ray.execute.events import Event, Observer
from hpt_ray.execute.events import Progress as RunProgress

if TYPE_CHECKING:
    from hpt_ray.execute.estimate import Estimate
    from hpt_ray.execute.machine import Layout
    from hpt_ray.execute.run import Result
    from hpt_ray.execute.runs import RunState
    from hpt_ray.parameters import Parameter
    from hpt_ray.plan import Plan, Unit

out = Console(highlight=False, width=None if sys.stdout.isatty() else 110)

#: A piped run says how far it is this often, so that a log of hours stays readable.
LOG_SECONDS = 15.0


def table(*columns: str) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column)
    return made


def facts() -> Table:
    """A table of names and values, aligned with every other one."""
    made = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    made.add_column(min_width=13, style="dim")
    made.add_column()
    return made


def several(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def listing(kinds: dict[str, dict[str, str]]) -> None:
    for kind, summaries in kinds.items():
        out.print(f"[bold]{kind}[/]")
        lines = table("", "")
        lines.show_header = False
        for name, text in summaries.items():
            lines.add_row(f"  {escape(name)}", escape(text))
        out.print(lines)
        out.print()


def study(text: str, parameters: list[Parameter]) -> None:
    out.print(Markdown(text))
    out.print()
    lines = table("parameter", "type", "default", "meaning")
    for item in parameters:
        default = ",".join(map(str, item.default)) if isinstance(item.default, tuple) else str(item.default).lower()
        default = "the scale's" if item.default is None else default
        lines.add_row(escape(item.name), escape(item.type), escape(default), escape(item.help))
    out.print(lines)


def plan(made: Plan, cost: Estimate) -> None:
    describe_plan(made, cost.cached)
    rate = f", {cost.rate:,.0f} images/s each ({cost.source})" if cost.images else ""
    lines = facts()
    lines.add_row("to train on", f"{cost.images:,} images")
    lines.add_row("estimate", f"{duration(cost.seconds)} with {several(cost.slots, 'stage')} at a time{rate}")
    if cost.gpu_hours is not None:
        lines.add_row("on GPUs", f"about {cost.gpu_hours:,.0f} hours of a V100, at the rate MoCo's authors publish")
    lines.add_row("disk", f"{cost.bytes / 1e6:,.0f} MB")
    out.print(lines)


def describe_plan(made: Plan, cached: int) -> None:
    asked = made.study
    out.print(f"[bold]{escape(asked.name)}[/]")
    out.print(escape(asked.question))
    lines = facts()
    lines.add_row("arms", escape("   ".join(f"{arm.label} ({arm.chain})" for arm in asked.arms)))
    for factor in asked.factors:
        lines.add_row(escape(factor.name), escape("   ".join(factor.levels)))
    lines.add_row("targets", escape("   ".join(asked.targets)))
    lines.add_row("seeds", "   ".join(map(str, asked.seeds)))
    kinds = [stage.kind for stage in made.stages.values()]
    counts = ", ".join(f"{kinds.count(kind)} {word}" for kind, word in KINDS.items() if kind in kinds)
    lines.add_row("cells", str(len(made.cells)))
    lines.add_row(
        "stages", f"{len(kinds)} ({counts}) in {1 + max(s.level for s in made.stages.values())} levels, {cached} cached"
    )
    lines.add_row("network", f"{asked.backbone}, {asked.image_size} px, {asked.precision}")
    out.print(lines)


KINDS = {"pretrain": "pretrainings", "weights": "given weights", "evaluate": "evaluations"}


@contextlib.contextmanager
def decoding() -> Iterator[Callable[[str, int, int], None]]:
    """A line that shows how far a data set is decoded, the first time it is used."""
    if not out.is_terminal:
        yield lambda data, done, total: None
        return
    with Progress(
        TextColumn("decoding {task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        console=out,
        transient=True,
    ) as bar:
        tasks: dict[str, Any] = {}

        def progress(data: str, done: int, total: int) -> None:
            if data not in tasks:
                tasks[data] = bar.add_task(escape(data), total=total)
            bar.update(tasks[data], completed=done, total=total)

        yield progress


class RunObserver(Observer):
    """Draws a run: a live panel in a terminal, a line every few seconds otherwise."""

    def __init__(self, live: Live | None) -> None:
        self.live = live
        self.state: RunProgress | None = None
        self.said = time.monotonic()

    def decoding(self, data: str, done: int, total: int) -> None:
        if self.live:
            self.live.update(f"decoding {escape(data)}  {done:,} / {total:,}" if done < total else "")

    def planned(self, made: Plan, units: list[Unit], cached: int) -> None:
        describe_plan(made, cached)
        if not units:
            out.print("everything is finished: nothing to train.")

    def started(self, layout: Layout, dashboard: str | None) -> None:
        lines = facts()
        each = f"{several(layout.workers, 'worker')} each, {several(layout.threads, 'thread')} per worker"
        lines.add_row("running", f"{several(layout.slots, 'stage')} at a time, {each}")
        if dashboard:
            lines.add_row("Ray dashboard", dashboard)
        out.print(lines)

    def progress(self, event: Event, state: RunProgress) -> None:
        self.state = state
        if event.kind == "failed":
            out.print(f"[red]failed[/] {escape(event.label)}: {escape(event.reason)}")
        if self.live:
            self.live.update(self.panel())
        elif time.monotonic() - self.said > LOG_SECONDS:
            self.said = time.monotonic()
            out.print(self.line())

    def line(self) -> str:
        state = self.state
        assert state is not None
        left = state.seconds_left
        parts = [
            f"{state.done}/{state.total} done",
            f"{len(state.running)} running",
            *([f"{len(state.failed)} failed"] if state.failed else []),
            f"{state.rate:,.0f} images/s",
            f"{duration(left)} left" if left is not None else "starting",
        ]
        return ", ".join(parts)

    def panel(self) -> Table:
        assert self.state is not None
        lines = Table.grid(padding=(0, 2, 0, 0))
        lines.add_row(self.line())
        for event in self.state.running.values():
            loss = f"loss {event.loss:.3f}" if event.loss is not None else "starting"
            lines.add_row(f"  {escape(event.label)}  [dim]{loss}[/]")
        return lines


@contextlib.contextmanager
def live() -> Iterator[RunObserver]:
    """The observer of one run."""
    if not out.is_terminal:
        yield RunObserver(None)
        return
    with Live("", console=out, refresh_per_second=4, transient=True) as drawn:
        yield RunObserver(drawn)


def result(made: Result) -> None:
    """The verdicts, a small table of each and, as the last two lines, where everything is."""
    from hpt_ray.analysis.across import across_targets

    for found in made.verdicts:
        out.print()
        out.print(escape(found.sentence))
        for note in found.notes:
            out.print(f"[dim]{escape(note)}[/]")
        out.print()
        lines = table(*found.table.columns)
        for row in found.table.rows:
            lines.add_row(*map(escape, row))
        out.print(lines)
    if together := across_targets(made.run):
        out.print()
        out.print(escape(together.sentence))
    if made.failures:
        out.print(f"[red]{len(made.failures)} failed[/]: run the same command again to try them once more.")
    out.print()
    # Paths are never wrapped: the last two lines are for scripts.
    out.print(f"results: {escape(made.results)}", soft_wrap=True)
    out.print(f"report: {escape(made.report)}", soft_wrap=True)


def runs(states: list[RunState], store: str) -> None:
    if not states:
        out.print(f"no runs in {escape(store)}")
        return
    lines = table("run", "started", "stages", "state")
    for state in states:
        rest = (
            f"{state.failed} failed" if state.failed else "complete" if state.finished == state.total else "unfinished"
        )
        lines.add_row(escape(state.name), state.started, f"{state.finished}/{state.total}", rest)
    out.print(lines)
    out.print()
    for state in states:
        out.print(f"report: {escape(state.report)}", soft_wrap=True)
