"""From differences to decisions: the claims of a family are judged together.

Where seeds are fixed, they are judged once. A run that grows until its claims are decided is judged at every look: an
interval and its p-value then hold over all looks together (``stats/repeated.py``), Holm's steps are on such p-values,
and a claim that is decided at a look, or of which more seeds will hardly decide anything, stays as it was there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from hpt_ray.analysis.claim import Claim, Outcome, judge
from hpt_ray.analysis.measures import looks
from hpt_ray.analysis.measures.failures import Failed
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.need import Need
from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval
from hpt_ray.analysis.stats.comparisons import holm

if TYPE_CHECKING:
    from hpt_ray.store.records import ClaimAtLook, Looks

Key = TypeVar("Key")


def settle(
    run: Run, target: str, claims: Sequence[Claim], family: str, *, exploratory: bool = False
) -> tuple[Claim, ...]:
    """Judge the claims of a family on a target, their p-values corrected for how many they are (Holm 1979).

    Args:
        exploratory: whether another family of the verdict answers the study's question; nothing corrects for both.
    """
    claims = [replace(claim, exploratory=exploratory) for claim in claims]
    if run.manifest.looks is not None:
        return _at_look(run, run.manifest.looks, target, [replace(claim, family=family) for claim in claims])
    return settle_once(claims, family)


def settle_once(claims: Sequence[Claim], family: str) -> tuple[Claim, ...]:
    """Judge the claims of a family on data that are looked at once."""
    p_values = [claim.difference.p for claim in claims if claim.difference is not None]
    corrected = iter(holm([0.0 if np.isnan(p) else p for p in p_values]))
    settled = []
    for claim in claims:
        judged = replace(claim, family=family)
        if claim.difference is not None:
            p = next(corrected)
            judged = replace(judged, p=p, outcome=judge(claim.difference, claim.margin, p))
        settled.append(judged)
    # Holm's correction is for the claims that are still open: the others are made before them.
    still = sum(claim.difference is not None and claim.outcome is Outcome.UNDECIDED for claim in settled)
    return tuple(replace(claim, needed=_to_settle(claim, (1 - LEVEL) / max(1, still))) for claim in settled)


def settle_each(
    run: Run, target: str, claims: Mapping[Key, Claim], family: str, *, exploratory: bool = False
) -> dict[Key, Claim]:
    """The claims of a family as ``settle`` judges them, by what they were asked of."""
    return dict(zip(claims, settle(run, target, [*claims.values()], family, exploratory=exploratory), strict=True))


def settle_parts(run: Run, target: str, parts: Sequence[Sequence[Claim]], family: str) -> tuple[tuple[Claim, ...], ...]:
    """The claims of a family as ``settle`` judges them, in the parts in which they were given."""
    settled = iter(settle(run, target, [claim for part in parts for claim in part], family))
    return tuple(tuple(itertools.islice(settled, len(part))) for part in parts)


def by_place(claims: Mapping[tuple[Key, str], Claim]) -> dict[Key, tuple[Claim, ...]]:
    """Claims on HPT against several arms in several places, by (place, arm), of each place together."""
    places: dict[Key, tuple[Claim, ...]] = {}
    for (place, _), claim in claims.items():
        places[place] = (*places.get(place, ()), claim)
    return places


def _to_settle(claim: Claim, rate: float) -> Need | None:
    """What would probably settle a judged claim whose interval may err at this rate; None of a settled one."""
    if claim.difference is None or claim.outcome is not Outcome.UNDECIDED:
        return None
    return claim.need(rate) if claim.need else claim.needed


def _at_look(run: Run, history: Looks, target: str, claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """The claims of a family as the present look has them."""
    now = looks.made_now(run, history)
    held = []
    for claim in claims:
        path = looks.path(run, history, _name(target, claim))
        # What was recorded stays: a closed claim, and every one if this look was made before.
        if path and (path[-1].closed or (now and now.claims)):
            held.append(_as_recorded(replace(claim, path=path), path[-1], len(run.study.seeds)))
        else:
            difference = claim.difference and looks.over_looks(run, claim.difference)
            held.append(replace(claim, difference=difference, needed=None, path=path))
    corrected = iter(holm([claim.difference.p for claim in held if claim.difference is not None]))
    p_values = [next(corrected) if claim.difference is not None else 1.0 for claim in held]
    left = max(1, sum(p >= 1 - LEVEL for p in p_values))
    settled = []
    for claim, judged, p in zip(claims, held, p_values, strict=True):
        if judged.recorded or judged.difference is None or claim.difference is None:
            settled.append(judged)
            continue
        # A failure decides nothing, since which seeds fail may depend on what they would have shown; unless it repeats.
        before = looks.failed_before(history, judged.path, _name(target, claim))
        lost = claim.failed is not None and before.issuperset(claim.failed.rows)
        waits = claim.failed is not None and not lost
        outcome = judge(judged.difference, claim.margin, p) if now and not waits else Outcome.UNDECIDED
        failed = replace(claim.failed, lost=lost) if claim.failed else None
        decided = replace(judged, p=p, outcome=outcome, failed=failed)
        path = (*judged.path, _record(run, history, target, decided, claim.difference, left)) if now else judged.path
        settled.append(replace(decided, path=path))
    return tuple(settled)


def _name(target: str, claim: Claim) -> str:
    """What tells a claim from the others of a run."""
    sides = [claim.subject, dict(claim.levels), claim.against, dict(claim.against_levels)]
    return json.dumps([target, claim.family, claim.measure, claim.evaluation, claim.place, *sides])


def _as_recorded(claim: Claim, record: ClaimAtLook, rows: int) -> Claim:
    """A claim as a look recorded it, of a run that has so many rows now."""
    outcome = Outcome(record.decision)
    kept = replace(claim, difference=looks.interval_of(record), p=record.p_corrected, outcome=outcome, recorded=True)
    failed = Failed(len(record.failed_rows), record.rows, rows=record.failed_rows, lost=not record.waits)
    return replace(
        kept,
        needed=None,
        lacking="",
        failed=failed if record.failed_rows else None,
        closed_at=record.rows if record.rows < rows else None,
    )


def _record(run: Run, history: Looks, target: str, claim: Claim, at_one_look: Interval, left: int) -> ClaimAtLook:
    """What the present look records of a claim that it judged."""
    assert claim.difference is not None
    return looks.record(
        run,
        history,
        at_one_look,
        claim.difference,
        claim.margin,
        left,
        name=_name(target, claim),
        target=target,
        measure=claim.measure,
        subject=claim.subject,
        against=claim.against,
        place=claim.place,
        levels=dict(claim.levels),
        against_levels=dict(claim.against_levels),
        p_corrected=claim.p,
        decision=str(claim.outcome),
        decided=claim.outcome is not Outcome.UNDECIDED,
        failed_rows=claim.failed.rows if claim.failed else (),
        waits=claim.failed is not None and not claim.failed.lost,
    )
