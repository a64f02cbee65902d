"""What a check of a store found, as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt_ray.cli.console import MANY, counted, facts, out

if TYPE_CHECKING:
    from hpt_ray.store.verify import Findings


def findings(findings: Findings, store: str) -> None:
    """What a store contains, what is damaged, and what no run uses; long lists are cut."""
    if not findings.size:
        out.print(f"no runs in {store}")
        return
    lines = facts()

    def row(title: str, number: str, size: int | None, listed: list[str]) -> None:
        lines.add_row(title, number + ("" if size is None else f", {size / 1e6:,.1f} MB"))
        for each in [*listed[:MANY], *([f"... {len(listed)} in all"] if len(listed) > MANY else [])]:
            lines.add_row("", each)

    row("checked", f"{counted(findings.runs, 'run')}, {counted(findings.stages, 'finished stage')}", findings.size, [])
    damaged = [f"runs/{run}: {damage}" for run, damage in (findings.lost | findings.tables).items()]
    damaged += [f"stages/{stage}: {damage}" for stage, damage in findings.damaged.items()]
    if damaged:
        row("damaged", counted(len(damaged), "folder"), None, damaged)
    if findings.leftovers:
        row(
            "left over",
            counted(len(findings.leftovers), "file"),
            sum(findings.leftovers.values()),
            list(findings.leftovers),
        )
    if findings.orphans:
        number = f"{counted(len(findings.orphans), 'stage')} that no run names"
        row("orphans", number, sum(findings.orphans.values()), [f"stages/{stage}" for stage in findings.orphans])
    out.print(lines)
    if findings.sound:
        out.print("all of it is as it was written")
