"""What a run that grows until its claims are decided found at its looks: one sentence, and a table of every claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.looks import interval_of
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.measures.text_format import level_name, listed, lowered
from hpt_ray.analysis.quantities import Change
from hpt_ray.analysis.verdict import Table

if TYPE_CHECKING:
    from hpt_ray.store.records import ClaimAtLook, Looks

#: Why a run ended.
ENDED = {
    "": "it has not ended",
    "closed": "no claim is left open",
    "rows": "there are no more seeds to add",
    "budget": "the budget does not pay for the next look",
}

#: How the sentence and its numbers are to be read.
METHOD = (
    "The interval of a claim holds over all looks together (a repeated confidence interval), so a claim is decided "
    "where its interval excludes zero, after Holm's correction, or lies within the margin, and stays decided. At the "
    "first looks intervals are therefore wide. A claim is futile, and gets no more seeds, once the chance that the "
    "last look decides it, if the difference is as seen, is below 10 %. Other intervals, of figures and tables, are "
    "those of one look."
)


@dataclass(frozen=True)
class UntilDecided:
    """How a run was decided, look by look: ``sentence`` and ``table`` say the same as ``looks``."""

    sentence: str
    table: Table
    looks: Looks


def until_decided(run: Run) -> UntilDecided | None:
    """What the looks of a run found; None of a run whose seeds were fixed."""
    looks = run.manifest.looks
    if looks is None:
        return None
    paths = paths_of(looks)
    return UntilDecided(_sentence(looks, paths), _table(run, looks, paths), looks)


def paths_of(looks: Looks) -> dict[str, list[ClaimAtLook]]:
    """Each claim by its name, as the looks had it."""
    paths: dict[str, list[ClaimAtLook]] = {}
    for look in looks.made:
        for claim in look.claims:
            paths.setdefault(claim.name, []).append(claim)
    return paths


def claim_text(run: Run, claim: ClaimAtLook) -> str:
    """Which claim it is: "Accuracy: HPT against direct transfer, baseline"."""
    levels = dict.fromkeys([*claim.levels.values(), *claim.against_levels.values()])
    where = [claim.place[0].lower() + claim.place[1:]] if claim.place else [level_name(level) for level in levels]
    target = [claim.target] if len(run.study.targets) > 1 else []
    measure = f"{claim.measure[0].upper()}{claim.measure[1:]}"
    return ", ".join([f"{measure}: {claim.subject} against {lowered(claim.against)}", *where, *target])


def decision_text(claim: ClaimAtLook, looks: Looks) -> str:
    """What became of a claim, and after how many seeds."""
    seeds = f"{claim.rows} seeds{f', {len(claim.failed_rows)} of them lost' if claim.failed_rows else ''}"
    if claim.decided:
        return f"{claim.decision} after {seeds}"
    if claim.futile:
        why = ": too few test images" if claim.futile == "few test images" else ""
        return f"futile after {seeds}{why}"
    if claim.waits:
        return f"open: {len(claim.failed_rows)} of {claim.rows} seeds failed"
    return "not decided" if looks.ended else "open"


def _sentence(looks: Looks, paths: dict[str, list[ClaimAtLook]]) -> str:
    if not looks.made:
        return f"No look was made yet, of those that go up to {looks.most} seeds."
    last = [path[-1] for path in paths.values()]
    kinds = {
        "decided": sum(claim.decided for claim in last),
        "futile, as more seeds would hardly help": sum(claim.futile == "few seeds" for claim in last),
        "futile, as the test set is too small": sum(claim.futile == "few test images" for claim in last),
        "still open": sum(not claim.closed for claim in last),
    }
    counts = listed([f"{number} {what}" for what, number in kinds.items() if number])
    rows = listed([str(look.rows) for look in looks.made])
    claims = "1 claim" if len(last) == 1 else f"{len(last)} claims"
    return (
        f"Of {claims}, looked at after {rows} seeds of at most {looks.most}, {counts}; {ENDED[looks.ended]}. "
        f"It has {looks.cells:,} cells; all of them with {looks.most} seeds would have been {looks.fixed_cells:,}."
    )


def _table(run: Run, looks: Looks, paths: dict[str, list[ClaimAtLook]]) -> Table:
    rows = []
    for path in paths.values():
        by_rows = {claim.rows: claim for claim in path}
        cells = [_change(by_rows.get(look.rows)) for look in looks.made]
        rows.append((claim_text(run, path[-1]), decision_text(path[-1], looks), *cells))
    return Table(("Claim", "Decision", *(f"After {look.rows} seeds" for look in looks.made)), tuple(rows))


def _change(claim: ClaimAtLook | None) -> Change | None:
    return None if claim is None else Change(interval_of(claim), Outcome(claim.decision))
