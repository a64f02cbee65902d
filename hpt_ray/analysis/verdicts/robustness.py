"""Is HPT more robust to a factor than pretraining from scratch, and more accurate than either alternative?"""

from __future__ import annotations

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import Claim, compare, few_images, settle
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.robustness import (
    CHANGES_APART,
    ArmRobustness,
    robustness,
    robustness_difference,
    worst_apart,
)
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import level_name, listed, lowered, spoken
from hpt_ray.analysis.phrases import ROBUSTNESS
from hpt_ray.analysis.quantities import Change
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell, metric_tiles
from hpt_ray.spec.study import LABELS


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target; without a factor it is about the metric alone."""
    measured = {arm: found for arm in run.arms if (found := robustness(run, target, arm))}
    others = [arm for arm in (SCRATCH, DIRECT) if arm in run.arms and HPT in run.arms]
    robust = [_robustness(run, target, measured)] if run.factor is not None else []
    asked = [*robust, *(compare(run, target, HPT, other, run.baseline) for other in others)]
    claims = settle(asked, "robustness, and differences at the baseline" if robust else "differences")
    accuracies = claims[len(robust) :]
    place = f"at the {level_name(run.baseline)} {level_name(run.factor.name)}," if run.factor else ""
    return Verdict(
        target=target,
        findings=(
            *(Question(claim, ROBUSTNESS, _details(run, measured)) for claim in claims[: len(robust)]),
            *([Comparisons(accuracies, place)] if accuracies else []),
        ),
        nothing="the study lacks HPT or what it is held against",
        claims=claims,
        tiles=(
            *metric_tiles(run, target, HPT, run.baseline, "at the baseline"),
            *claim_tiles((claim, "") for claim in accuracies),
            *_worst_tiles(run, measured),
        ),
        table=_table(run, target, measured),
        caveats=caveats(run, target, claims),
    )


def _robustness(run: Run, target: str, measured: dict[str, ArmRobustness]) -> Claim:
    """The claim on the worst change of HPT against that of from scratch."""
    difference = robustness_difference(run, target, HPT, SCRATCH)
    empty = [lowered(LABELS[arm]) for arm in (HPT, SCRATCH) if arm not in measured]
    lacking = f"no change against the baseline for {listed(empty)}" if empty else "no level in common"
    apart = worst_apart(run, target, HPT, SCRATCH)
    what = f"the worst changes of HPT and {spoken(LABELS[SCRATCH])}"
    return Claim(
        "robustness",
        LABELS[HPT],
        LABELS[SCRATCH],
        difference.worst if difference else None,
        run.metric.name,
        run.evaluation,
        lacking="" if difference else lacking,
        needed=None if apart is None else few_images(apart, CHANGES_APART, what=what),
    )


def _details(run: Run, measured: dict[str, ArmRobustness]) -> dict[str, str | Change]:
    """The factor, and the worst changes behind the claim."""
    details: dict[str, str | Change] = {"factor": level_name(run.factor.name) if run.factor else ""}
    for prefix, arm in (("", HPT), ("other_", SCRATCH)):
        if found := measured.get(arm):
            details |= {f"{prefix}worst": Change(found.worst), f"{prefix}level": level_name(found.worst_level)}
    return details


def _worst_tiles(run: Run, measured: dict[str, ArmRobustness]) -> list[Tile]:
    """The worst changes of HPT and from scratch, of those that exist."""
    shown = {run.arms[arm]: measured[arm] for arm in (HPT, SCRATCH) if arm in measured}
    return [
        Tile(f"{label}, worst change", Change(found.worst), f"points, at {level_name(found.worst_level)}")
        for label, found in shown.items()
    ]


def _table(run: Run, target: str, measured: dict[str, ArmRobustness]) -> Table:
    """Per arm the accuracy at the baseline, the worst change (and where), and the spread."""
    rows = []
    for arm, label in run.arms.items():
        accuracy, found = metric_cell(run, target, arm, run.baseline), measured.get(arm)
        spread = Change(found.range, signed=False) if found else None
        worst = (Change(found.worst), level_name(found.worst_level), spread) if found else (None,) * 3
        rows.append((label, accuracy, *worst))
    if run.factor is None:
        return Table(("Arm", run.metric.heading), tuple(row[:2] for row in rows))
    return Table(
        ("Arm", f"{run.metric.heading} at baseline", "Worst change, points", "at", "Spread, points"), tuple(rows)
    )
