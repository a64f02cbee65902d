"""The looks of a run that grows until its claims are decided: which there were, and what each says of a difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import LEVEL, Interval
from hpt_ray.analysis.stats.outlook import outlook
from hpt_ray.analysis.stats.repeated import noise_of, repeated
from hpt_ray.analysis.stats.sequential import level, planned_looks
from hpt_ray.store.records import ClaimAtLook, Futile, Look, Looks


def next_rows(looks: Looks) -> int:
    """The rows at the next look."""
    return planned_looks(looks.most)[len(looks.made)]


def rows_of(run: Run, looks: Looks) -> list[int]:
    """The rows at each look so far and, last, those that the run has now."""
    rows = len(run.study.seeds)
    return [*(look.rows for look in looks.before(rows)), rows]


def made_now(run: Run, looks: Looks) -> Look | None:
    """The look at the rows that the run has; None where they are not complete, so that nothing is decided on them."""
    return next((look for look in looks.made if look.rows == len(run.study.seeds)), None)


def path(run: Run, looks: Looks, name: str) -> tuple[ClaimAtLook, ...]:
    """What each look up to the present rows recorded of a claim."""
    rows = len(run.study.seeds)
    return tuple(claim for look in looks.made if look.rows <= rows for claim in look.claims if claim.name == name)


def failed_before(looks: Looks, path: Sequence[ClaimAtLook], name: str) -> set[int]:
    """The rows that a claim lacked at an earlier look, which its ``path`` has, or at the one that is made again."""
    again = [claim for claim in looks.again.claims if claim.name == name] if looks.again else []
    return {row for claim in (*path, *again) for row in claim.failed_rows}


def over_looks(run: Run, interval: Interval) -> Interval:
    """An interval and its p-value as they hold over all looks together; of a run without looks, as they are."""
    looks = run.manifest.looks
    return interval if looks is None else repeated(interval, rows_of(run, looks), looks.most)


def interval_of(record: ClaimAtLook) -> Interval:
    """The difference of a claim with the interval that holds over all looks."""
    return Interval(record.estimate, record.low, record.high, record.seeds, record.p)


def record(
    run: Run, looks: Looks, at_one_look: Interval, judged: Interval, margin: float, left: int, **fields: Any
) -> ClaimAtLook:
    """What the present look records of a claim.

    Args:
        at_one_look: the difference with the interval that holds at one look; ``judged``: with that over all of them.
        left: how many claims of its family are not made, by Holm's steps.
        fields: the other fields of the record.
    """
    rows, noise = rows_of(run, looks), noise_of(at_one_look)
    not_futile = fields["decided"] or fields["waits"] or rows[-1] >= looks.most
    numbers = {name: getattr(judged, name) for name in ("estimate", "low", "high", "seeds", "p")}
    return ClaimAtLook(
        rows=rows[-1],
        level=level(rows, noise, 1 - LEVEL, looks.most),
        futile="" if not_futile else _futile(rows, looks, at_one_look, margin, left),
        **numbers,
        **fields,
    )


def _futile(rows: list[int], looks: Looks, at_one_look: Interval, margin: float, left: int) -> Futile:
    """Why more seeds will hardly decide a difference; "" where they may."""
    noise = noise_of(at_one_look)
    last = [*rows, *(planned for planned in planned_looks(looks.most) if planned > rows[-1])]
    difference, within = (level(last, noise, rate, looks.most) for rate in ((1 - LEVEL) / left, 1 - LEVEL))
    chances = outlook(at_one_look.estimate, rows[-1], noise, (difference, within), margin, looks.most)
    if not chances.futile:
        return ""
    return "few test images" if chances.test_set_too_small else "few seeds"
