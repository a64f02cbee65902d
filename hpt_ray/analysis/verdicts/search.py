"""How much does the choice of augmentation policy matter to each arm, and what does a search for it gain?"""

from __future__ import annotations

from dataclasses import replace

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare, of_measure
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.search import (
    Flatness,
    confirmed,
    flatness,
    flatness_difference,
    varying,
    winners,
)
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.phrases import FLATNESS
from hpt_ray.analysis.quantities import Change
from hpt_ray.analysis.search_caveats import search_caveats
from hpt_ray.analysis.settling import settle_parts
from hpt_ray.analysis.stats.variability import deviation
from hpt_ray.analysis.verdict import Table, Tile, Verdict, difference_tiles, metric_cell
from hpt_ray.spec.arm import LABELS

SEARCHED = "gain of the search"

#: The short budgets are a factor of their own, which the verdict takes apart itself.
EVERY_FACTOR = True


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target: flatness on the random policies, and accuracy of the winners on fresh seeds."""
    inner, best, flat = confirmed(run, target), winners(run, target), flatness(run, target)
    levels = {other: best.get(other, inner.baseline) for other in (SCRATCH, DIRECT) if other in run.arms}
    flatness_claims = [_flatter(run, target)] if {HPT, SCRATCH} <= set(varying(run)) else []
    gain_claims = [_gain(inner, target, arm, level) for arm, level in best.items()]
    rival_claims = [compare(inner, target, HPT, other, best[HPT], at=at) for other, at in levels.items() if HPT in best]
    family = "flatness, gains of the search, and differences of the winners"
    flatter, gains, rivals = settle_parts(run, target, (flatness_claims, gain_claims, rival_claims), family)
    claims = flatter + gains + rivals
    sides = (("deviation", HPT), ("other_deviation", SCRATCH))
    deviations = {name: varied for name, arm in sides if (varied := _deviation(flat, arm))}
    place = "with the policy that the search found, on seeds it never saw,"
    return Verdict(
        target=target,
        findings=(
            *(Question(claim, FLATNESS, deviations) for claim in flatter),
            *([Comparisons(gains, place)] if gains else []),
            *([Comparisons(rivals, "each at its best,")] if rivals else []),
        ),
        nothing="no policy was confirmed",
        claims=claims,
        tiles=tuple(_tiles(run, flat, gains)),
        table=_table(run, inner, target, best, flat),
        caveats=(*search_caveats(run, target, best), *caveats(inner, target, claims)),
    )


def _gain(inner: Run, target: str, arm: str, level: str) -> Claim:
    """The claim on an arm's accuracy at its winner against that at the baseline."""
    claim = compare(inner, target, arm, arm, level, at=inner.baseline)
    return replace(claim, measure=SEARCHED, against="Its baseline policy")


def _flatter(run: Run, target: str) -> Claim:
    """The claim on how much random policies vary, of HPT against from scratch."""
    difference = flatness_difference(run, target, HPT, SCRATCH)
    lacking = "too few of the same random policies, or of the seeds that confirm, finished"
    return of_measure(run, "flatness", (LABELS[HPT], LABELS[SCRATCH]), difference, lacking=lacking)


def _deviation(flat: dict[str, Flatness], arm: str) -> Change | None:
    """The standard deviation of an arm over the random policies."""
    variation = flat[arm].variation if arm in flat else None
    return Change(deviation(variation), signed=False) if variation else None


def _tiles(run: Run, flat: dict[str, Flatness], gains: tuple[Claim, ...]) -> list[Tile]:
    deviations = [
        Tile(f"{run.arms[arm]}, varies by", varied, f"points: standard deviation over {len(flat[arm].losses)} policies")
        for arm in flat
        if arm in (HPT, SCRATCH) and (varied := _deviation(flat, arm))
    ]
    gained = difference_tiles((f"{claim.subject}, gain of the search", claim) for claim in gains)
    return [*deviations, *gained]


def _table(run: Run, inner: Run, target: str, best: dict[str, str], flat: dict[str, Flatness]) -> Table:
    """Per arm the winner and its accuracy beside the baseline's, on fresh seeds, and how much the policy matters."""
    rows = []
    for arm, label in run.arms.items():
        winner = (level_name(best[arm]), metric_cell(inner, target, arm, best[arm])) if arm in best else (None, None)
        rows.append((label, *winner, metric_cell(inner, target, arm, inner.baseline), _deviation(flat, arm)))
    columns = ("Arm", "Best policy", "At the best", "At baseline", "Varies by, points")
    return Table(columns, tuple(rows))
