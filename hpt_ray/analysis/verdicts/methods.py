"""Does the finding, HPT against its alternatives, depend on the method of pretraining?

Under each method HPT is compared with the others; then each two methods are compared in that difference (the
interaction of arm and method). These are two questions, and Holm's correction is for the claims of each.
"""

from __future__ import annotations

import itertools

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare, compare_changes
from hpt_ray.analysis.findings import UnderMethods
from hpt_ray.analysis.measures.run import HPT, Run
from hpt_ray.analysis.measures.text_format import level_name
from hpt_ray.analysis.quantities import change
from hpt_ray.analysis.settling import settle_each
from hpt_ray.analysis.verdict import Table, Verdict, claim_tiles, metric_cell


def findings(run: Run, target: str) -> tuple[UnderMethods, ...]:
    """HPT against from scratch and direct transfer, those that the study has."""
    others = run.alternatives
    differences = {
        (other, level): compare(run, target, HPT, other, level, place=f"Under {level_name(level)}")
        for other in others
        for level in run.levels
    }
    pairs = list(itertools.combinations(run.levels, 2))
    changes = {(other, pair): _change(run, target, other, pair) for other in others for pair in pairs}
    judged = settle_each(run, target, differences, "differences under each method")
    changed = settle_each(run, target, changes, "changes between methods", exploratory=True)
    return tuple(
        UnderMethods(
            other=other,
            under={level: judged[other, level] for level in run.levels},
            changes={pair: changed[other, pair] for pair in pairs},
        )
        for other in others
    )


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target."""
    comparisons = findings(run, target)
    claims = tuple(claim for each in comparisons for claim in (*each.under.values(), *each.changes.values()))
    return Verdict(
        target=target,
        findings=comparisons,
        nothing="the study lacks HPT or what it is held against",
        claims=claims,
        tiles=tuple(
            claim_tiles(
                (claim, f", {level_name(level)}") for each in comparisons[:1] for level, claim in each.under.items()
            )
        ),
        table=_table(run, target, comparisons),
        caveats=caveats(run, target, claims),
    )


def _change(run: Run, target: str, other: str, pair: tuple[str, str]) -> Claim:
    first, second = (run.scores(target, HPT, level) - run.scores(target, other, level) for level in pair)
    subject, against = (f"HPT minus {run.arms[other].lower()}, {level_name(level)}" for level in pair)
    return compare_changes(
        run,
        "change with the method",
        (subject, against),
        first - second,
        lacking="no seed with results under both methods",
        what=f"{subject}, and {against}",
    )


def _table(run: Run, target: str, comparisons: tuple[UnderMethods, ...]) -> Table:
    """Per arm its accuracy under each method, and below them HPT's differences."""
    accuracies = [
        (label, *(metric_cell(run, target, arm, level) for level in run.levels)) for arm, label in run.arms.items()
    ]
    differences = [
        (
            f"HPT minus {run.arms[each.other].lower()}, points",
            *(change(claim.difference) for claim in each.under.values()),
        )
        for each in comparisons
    ]
    return Table(("Arm", *(level_name(level) for level in run.levels)), (*accuracies, *differences))
