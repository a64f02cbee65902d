"""The output of the commands: formatted in a terminal, plain lines when piped."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from hpt_ray.cli.plain import AS_IT_IS, WIDTH, Plain
from hpt_ray.core.text import visible

if TYPE_CHECKING:
    from pathlib import Path

    from hpt_ray.analysis.judged import Judged
    from hpt_ray.analysis.verdict import Table as VerdictTable
    from hpt_ray.analysis.verdict import Verdict
    from hpt_ray.execute.export import Exported
    from hpt_ray.execute.finalize import Result
    from hpt_ray.report.advised import Advised
    from hpt_ray.spec.parameters import Parameter
    from hpt_ray.training.weights.inspect_weights import Inspection


out = Plain(**AS_IT_IS, width=None if sys.stdout.isatty() else WIDTH)

#: A longer list, such as the levels of a search, is cut.
MANY = 12


def table(*columns: str) -> Table:
    rich_table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        rich_table.add_column(column)
    return rich_table


def facts() -> Table:
    """A table of names and values, aligned with every other one."""
    rich_table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rich_table.add_column(min_width=13, style="dim")
    rich_table.add_column()
    return rich_table


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 stage", "3 stages"."""
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


def study(question: str, text: str, parameters: list[Parameter]) -> None:
    if question:
        out.print(" ".join(question.split()), style="bold")
        out.print()
    out.print(Markdown(visible(text, lines=True), hyperlinks=False))
    out.print()
    lines = table("parameter", "type", "value", "meaning")
    for column in lines.columns:
        column.overflow = "fold"  # names and values can be copied, so none is cut short
    for item in parameters:
        lines.add_row(item.name, item.type, _default(item.default), item.help)
    out.print(lines)


def _default(value: Any) -> str:
    """A value as --set takes it; of one that depends on a scale that is not known, each."""
    if isinstance(value, dict):
        return "; ".join(f"{scale} {_default(each)}" for scale, each in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def result(result: Result) -> None:
    """The verdicts, a small table of each and, as the last two lines, where everything is."""
    from hpt_ray.analysis.across import across_targets
    from hpt_ray.analysis.measures.views import one_factor
    from hpt_ray.analysis.until_decided import until_decided

    if result.advice:
        advice(result.advice)
    given_up = result.run.manifest.given_up
    if given_up:
        out.print()
        out.print(f"Nothing can be said: {given_up}")
    for each in [] if given_up else result.verdicts:
        verdict(each)
    if not given_up and (together := across_targets(one_factor(result.run))):
        out.print()
        out.print(together.sentence)
    if not given_up and (looks := until_decided(result.run)):
        out.print()
        out.print(looks.sentence)
        if looks.table.rows:
            out.print(rows(looks.table))
    if result.failures:
        stages = result.run.manifest.stages
        assert stages is not None  # a run with failures has been collected
        rest = f", {counted(stages.not_run, 'stage')} not run" if stages.not_run else ""
        out.print(
            Text(f"{counted(stages.failed, 'stage')} failed{rest}:", "red"),
            "run the same command again to try them once more.",
        )
    out.print()
    for handed in result.handed:
        out.print(f"weights: {handed.command}", soft_wrap=True)
    for line in places(result):
        out.print(line, soft_wrap=True)


def advice(advised: Advised) -> None:
    """The recommendation, what trains and exports it, and what the advice cost."""
    out.print()
    out.print(advised.sentences[0], style="bold")
    out.print(advised.sentences[1])
    out.print()
    for command in advised.commands:
        out.print(command, soft_wrap=True)
    out.print()
    out.print(advised.spent, style="dim")


def verdict(verdict: Verdict) -> None:
    """The headline of a verdict, its statements, what qualifies them, and its table."""
    out.print()
    out.print(verdict.headline, style="bold")
    out.print(f"{verdict.about}:")
    for statement in verdict.statements:
        out.print(f"- {statement.text}")
    for note in verdict.notes:
        out.print(note, style="dim")
    out.print()
    if verdict.held:
        out.print(f"{verdict.held[0].upper()}{verdict.held[1:]}:")
    out.print(rows(verdict.table))


def rows(of: VerdictTable) -> Table:
    """A table of a verdict for the terminal."""
    lines = table(*of.columns)
    for row in of.rows:
        lines.add_row(*row)
    return lines


def judged(judged: Judged) -> None:
    """How a table was read, its verdicts, and what its targets say together."""
    for line in judged.table.reading:
        out.print(line, style="dim")
    for each in judged.verdicts:
        verdict(each)
    if judged.across:
        out.print()
        out.print(judged.across.sentence)
        out.print()
        out.print(rows(judged.across.table))


def written(files: list[Path]) -> None:
    """Files that were written where the user wanted them."""
    for file in files:
        out.print(f"written: {file}", soft_wrap=True)


def exported(file: Exported) -> None:
    """Which weights were written, how images must look for them, and the Python that loads the file."""
    about = file.provenance
    lines = facts()
    lines.add_row("weights", f"{about.chosen}.")
    lines.add_row("verdict", about.verdict)
    lines.add_row("stage", about.stage)
    lines.add_row("file", f"{file.path}, {file.size / 1e6:,.1f} MB")
    views = f"{about.image_size} x {about.image_size} pixels, the centre of {about.decode_size} x {about.decode_size}"
    mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (about.mean, about.std))
    lines.add_row("images", f"{views}, normalised by mean {mean} and std {std}")
    out.print(lines)
    out.print()
    out.print(Text(file.loading), soft_wrap=True)


def places(result: Result) -> list[str]:
    """The last two lines, which are for scripts: paths are never wrapped."""
    return [f"results: {result.results}", f"report: {result.report}"]


def inspection(inspection: Inspection) -> None:
    """The audit of a checkpoint: where the network is in the file, and what happens to every key."""
    lines = facts()
    lines.add_row("file", f"{inspection.source}  {inspection.format}, {counted(inspection.tensors, 'tensor')}")
    places = ", ".join(f"{name} ({count})" for name, count in inspection.places.items())
    lines.add_row("inside", places)
    guess = " (the best fit; --backbone names another)" if inspection.guessed else ""
    lines.add_row("backbone", f"{inspection.backbone or 'no known one fits'}{guess}")
    for network in inspection.networks:
        mark = "taken" if network.chosen else "left"
        lines.add_row(mark, f"{network.prefix or '(top)'}: {network.fits} tensors fit. {network.why}")
    out.print(lines)
    if inspection.parts:
        audit = table("keys", "", "", "such as")
        for part in [part for part in inspection.parts if part.count]:
            audit.add_row(part.name, f"{part.count:,}", part.meaning, ", ".join(part.examples))
        out.print()
        out.print(audit)
    out.print()
    out.print(inspection.verdict)
