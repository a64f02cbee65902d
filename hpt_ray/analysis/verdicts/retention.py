"""With how few images does an arm keep 95 % of what all of them give, and which arm is better with the fewest?"""

from __future__ import annotations

from hpt_ray.analysis.amount_words import KEPT_TEXT, agreeing
from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import compare
from hpt_ray.analysis.findings import Comparisons, Kept
from hpt_ray.analysis.measures.numbers import common, field, number_name, numbers
from hpt_ray.analysis.measures.retention import Retention, retention
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.quantities import Cell, Part, change
from hpt_ray.analysis.settling import by_place, settle_each
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell

#: The field of a recipe whose numbers are shares of the images.
FIELD = "fraction"


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: what each arm needs, and HPT against the others at the ends."""
    differences = {(level, other): compare(run, target, HPT, other, level) for level, other in _asked(run, target)}
    judged = settle_each(run, target, differences, "differences at the ends")
    claims, by_level = tuple(judged.values()), by_place(judged)
    varied = [arm for arm in sorted(run.arms, key=lambda arm: arm != HPT) if run.varies(arm) and field(run) == FIELD]
    kept = {arm: keeps(run, target, arm) for arm in varied}
    most = max(numbers(run).values(), default=1.0)
    return Verdict(
        target=target,
        findings=(
            *([Kept(most, {run.arms[arm]: enough for arm, enough in kept.items()})] if kept else []),
            *(Comparisons(own, f"with {number_name(run, level)}") for level, own in by_level.items()),
        ),
        nothing="the study varies no data fraction",
        claims=claims,
        tiles=(
            *_tiles(run, kept),
            *claim_tiles((claim, f" with {level_name(level)}") for level, own in by_level.items() for claim in own),
        ),
        table=_table(run, target, kept),
        caveats=caveats(run, target, claims),
    )


def keeps(run: Run, target: str, arm: str) -> Retention | None:
    """Where an arm keeps 95 % of its gain over step 0; None without a result with the most images."""
    *_, most = numbers(run)
    start = run.scores(target, arm, most, step0=True)
    gains = {number: run.scores(target, arm, level) - start for level, number in numbers(run).items()}
    there = {number: part for number, part in gains.items() if mean(part) is not None}
    return retention(there, 0.0) if numbers(run)[most] in there else None


def _asked(run: Run, target: str) -> list[tuple[str, str]]:
    """Fractions and whom HPT is held against there: both others at the smallest that HPT and from scratch have a result
    at, from scratch at the largest too."""
    others = run.alternatives
    if not others or field(run) != FIELD:
        return []
    shared = common(run, target, [HPT, SCRATCH] if SCRATCH in others else [HPT])
    last = [(shared[-1], SCRATCH)] if SCRATCH in others and len(shared) > 1 else []
    return [(level, other) for level in shared[:1] for other in others] + last


def _tiles(run: Run, kept: dict[str, Retention | None]) -> list[Tile]:
    """What HPT and from scratch need to keep 95 % of their gains."""
    tiles = []
    for arm in (HPT, SCRATCH):
        enough = kept.get(arm)
        if enough is not None and enough.fraction is not None:
            title, sure = f"{run.arms[arm]}: {KEPT_TEXT} of the gain with", agreeing(enough)
            tiles.append(Tile(title, Part(enough.fraction, "of the images"), f"{sure.value} {sure.of}"))
    return tiles


def _table(run: Run, target: str, kept: dict[str, Retention | None]) -> Table:
    """Per arm its accuracy with all images, its gain, the smallest fraction with 95 % of that, and how sure that is."""
    most = next(reversed(numbers(run)), run.baseline)
    rows = []
    for arm, label in run.arms.items():
        own = kept.get(arm)
        enough: tuple[Cell, Cell] = ("no sure gain" if own else None, None)
        if own is not None and own.fraction is not None:
            enough = Part(own.fraction, "of the images"), agreeing(own)
        rows.append((label, metric_cell(run, target, arm, most), change(own.gain) if own else None, *enough))
    full_column = run.metric.heading + (f" with {level_name(most)}" if most else "")
    columns = ("Arm", full_column, "Gain over step 0, points", f"{KEPT_TEXT} of it with", "Agreeing")
    return Table(columns, tuple(rows))
