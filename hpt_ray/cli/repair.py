"""The command ``verify``: check every file of a store, and mend what the user agrees to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hpt_ray.cli import streams
from hpt_ray.cli.options import StorePath
from hpt_ray.core.errors import StudyError

if TYPE_CHECKING:
    from hpt_ray.store.store import Store


def verify(
    store: StorePath = "hpt-store",
    yes: Annotated[bool, typer.Option("--yes", help="Mend without asking; orphans are kept.")] = False,
) -> None:
    """Check every file in a store that nothing is running on, and mend what is damaged or left over."""
    from hpt_ray.cli import findings_output
    from hpt_ray.store import verify as verification
    from hpt_ray.store.files import public
    from hpt_ray.store.store import Store

    opened = Store.existing(store)
    findings = verification.verify(opened)
    findings_output.findings(findings, public(store))
    repaired = findings.sound
    question = "Remove what is damaged or left over, and write damaged tables again? (Nothing may be running on it.)"
    if not findings.sound and (yes or _agreed(question)):
        verification.clear(opened, findings)
        repaired = not [run for run in findings.tables if not _rewritten(opened, run)]
    if findings.orphans and _agreed("Remove the orphans as well?"):
        for stage in findings.orphans:
            opened.delete(stage)
    if not repaired:
        raise typer.Exit(1)


def _agreed(question: str) -> bool:
    return sys.stdin.isatty() and typer.confirm(question)


def _rewritten(store: Store, run: str) -> bool:
    from hpt_ray.execute.runs import rewrite

    try:
        rewrite(store, run)
    except StudyError as error:
        streams.say(f"error: {error}")
        return False
    return True
