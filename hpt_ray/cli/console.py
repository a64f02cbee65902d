"""What the commands print: rich in a terminal, plain lines when piped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.core.text import visible

if TYPE_CHECKING:
    from hpt_ray.execute.estimate import Estimate
    from hpt_ray.execute.finalize import Result
    from hpt_ray.execute.runs import RunState
    from hpt_ray.planning.plan import Plan
    from hpt_ray.spec.parameters import Parameter
    from hpt_ray.store.verify import Findings
    from hpt_ray.training.weights.inspect_weights import Inspection


class Plain(Console):
    """Shows every string as it stands, in tables too, since most hold names from outside: nothing in it is markup."""

    lost: OSError | None = None  # what became of output that could not be written

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich does; a study goes on where its output cannot be written, as to a full disk or a closed pipe."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.lost = self.lost or error

    def on_broken_pipe(self) -> None:
        """Rich would end the program here, with a code of failure."""
        self.lost = self.lost or BrokenPipeError()


out = Plain(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else 110)

#: A search tries more levels than one line holds.
MANY = 12


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
        out.print(kind, style="bold")
        lines = table("", "")
        lines.show_header = False
        for name, text in summaries.items():
            lines.add_row(f"  {name}", text)
        out.print(lines)
        out.print()


def study(text: str, parameters: list[Parameter]) -> None:
    out.print(Markdown(visible(text, lines=True), hyperlinks=False))
    out.print()
    lines = table("parameter", "type", "default", "meaning")
    for column in lines.columns:
        column.overflow = "fold"  # names and values are there to be copied, so none is cut short
    for item in parameters:
        lines.add_row(item.name, item.type, _default(item.default), item.help)
    out.print(lines)


def _default(value: Any) -> str:
    """A default as --set takes it; of one that the scale gives each scale's, where they differ."""
    if isinstance(value, dict):
        spelled = {scale: _default(own) for scale, own in value.items()}
        if len(set(spelled.values())) > 1:
            return "; ".join(f"{scale} {own}" for scale, own in spelled.items())
        return next(iter(spelled.values()))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def plan(made: Plan, cost: Estimate) -> None:
    describe_plan(made, cost.cached)
    rate = f", {cost.rate:,.0f} images/s each ({cost.measured_by})" if cost.images else ""
    lines = facts()
    lines.add_row("to train on", f"{cost.images:,} images")
    lines.add_row("estimate", f"{duration(cost.seconds)} with {several(cost.slots, 'stage')} at a time{rate}")
    if cost.gpu_hours is not None:
        lines.add_row("on GPUs", f"about {cost.gpu_hours:,.0f} hours of a V100, at the rate MoCo's authors publish")
    lines.add_row("disk", f"{cost.bytes / 1e6:,.0f} MB")
    out.print(lines)


def describe_plan(made: Plan, cached: int) -> None:
    asked = made.study
    out.print(asked.name, style="bold")
    out.print(" ".join(asked.question.split()))
    lines = facts()
    lines.add_row("arms", "   ".join(f"{arm.label} ({arm.chain})" for arm in asked.arms))
    for factor in asked.factors:
        levels = list(factor.levels)
        if len(levels) > MANY:
            levels = [*levels[:3], f"... {len(levels)} in all"]
        lines.add_row(factor.name, "   ".join(levels))
    lines.add_row("targets", "   ".join(asked.targets))
    lines.add_row("seeds", "   ".join(map(str, asked.seeds)))
    kinds = [stage.kind for stage in made.stages.values()]
    counts = ", ".join(f"{kinds.count(kind)} {word}" for kind, word in KINDS.items() if kind in kinds)
    lines.add_row("cells", str(len(made.cells)))
    lines.add_row(
        "stages", f"{len(kinds)} ({counts}) in {1 + max(s.level for s in made.stages.values())} levels, {cached} cached"
    )
    lines.add_row("network", f"{asked.backbone}, {asked.image_size} px, {asked.precision}")
    out.print(lines)
    for note in made.notes:
        out.print(note)


KINDS = {"pretrain": "pretrainings", "weights": "given weights", "evaluate": "evaluations"}


def result(made: Result) -> None:
    """The verdicts, a small table of each and, as the last two lines, where everything is."""
    from hpt_ray.analysis.across import across_targets
    from hpt_ray.analysis.measures.views import one_factor

    given_up = made.run.manifest.given_up
    if given_up:
        out.print()
        out.print(f"Nothing can be said: {given_up}")
    for found in [] if given_up else made.verdicts:
        out.print()
        out.print(found.sentence)
        for note in found.notes:
            out.print(note, style="dim")
        out.print()
        if found.held:
            out.print(f"{found.held[0].upper()}{found.held[1:]}:")
        lines = table(*found.table.columns)
        for row in found.table.rows:
            lines.add_row(*row)
        out.print(lines)
    if not given_up and (together := across_targets(one_factor(made.run))):
        out.print()
        out.print(together.sentence)
    if made.failures:
        stages = made.run.manifest.stages
        assert stages is not None  # a run with failures has been collected
        rest = f", {several(stages.not_run, 'stage')} not run" if stages.not_run else ""
        out.print(
            Text(f"{several(stages.failed, 'stage')} failed{rest}:", "red"),
            "run the same command again to try them once more.",
        )
    out.print()
    for line in places(made):
        out.print(line, soft_wrap=True)


def places(made: Result) -> list[str]:
    """The last two lines, which are for scripts: paths are never wrapped."""
    return [f"results: {made.results}", f"report: {made.report}"]


def inspection(found: Inspection) -> None:
    """A checkpoint's audit: where the network stands in the file, and what becomes of every key."""
    lines = facts()
    lines.add_row("file", f"{found.source}  {found.format}, {several(found.tensors, 'tensor')}")
    places = ", ".join(f"{name} ({count})" for name, count in found.places.items())
    lines.add_row("inside", places)
    guess = " (the best fit; --backbone names another)" if found.guessed else ""
    lines.add_row("backbone", f"{found.backbone or 'no known one fits'}{guess}")
    for network in found.networks:
        mark = "taken" if network.chosen else "left"
        lines.add_row(mark, f"{network.prefix or '(top)'}: {network.fits} tensors fit. {network.why}")
    out.print(lines)
    if found.parts:
        audit = table("keys", "", "", "such as")
        for part in [part for part in found.parts if part.count]:
            audit.add_row(part.name, f"{part.count:,}", part.meaning, ", ".join(part.examples))
        out.print()
        out.print(audit)
    out.print()
    out.print(found.verdict)


def runs(states: list[RunState], store: str) -> None:
    if not states:
        out.print(f"no runs in {store}")
        return
    lines = table("run", "started", "stages", "state")
    for state in states:
        if state.damage:
            lines.add_row(state.name, "", "", "damaged")
            continue
        rest = (
            f"{state.failed} failed" if state.failed else "complete" if state.finished == state.total else "unfinished"
        )
        lines.add_row(state.name, state.started, f"{state.finished}/{state.total}", rest)
    out.print(lines)
    out.print()
    for state in states:
        out.print(f"damaged: {state.damage}" if state.damage else f"report: {state.report}", soft_wrap=True)


def findings(found: Findings, store: str) -> None:
    """What is in a store, what is wrong with it, and what no run names; the first of many files."""
    if not found.size:
        out.print(f"no runs in {store}")
        return
    lines = facts()

    def row(title: str, number: str, size: int | None, listed: list[str]) -> None:
        lines.add_row(title, number + ("" if size is None else f", {size / 1e6:,.1f} MB"))
        for each in [*listed[:MANY], *([f"... {len(listed)} in all"] if len(listed) > MANY else [])]:
            lines.add_row("", each)

    row("checked", f"{several(found.runs, 'run')}, {several(found.stages, 'finished stage')}", found.size, [])
    damaged = [f"runs/{run}: {damage}" for run, damage in (found.lost | found.tables).items()]
    damaged += [f"stages/{stage}: {damage}" for stage, damage in found.damaged.items()]
    if damaged:
        row("damaged", several(len(damaged), "folder"), None, damaged)
    if found.leftovers:
        row("left over", several(len(found.leftovers), "file"), sum(found.leftovers.values()), list(found.leftovers))
    if found.orphans:
        number = f"{several(len(found.orphans), 'stage')} that no run names"
        row("orphans", number, sum(found.orphans.values()), [f"stages/{stage}" for stage in found.orphans])
    out.print(lines)
    if found.sound:
        out.print("all of it is as it was written")
