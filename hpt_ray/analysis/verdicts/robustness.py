"""Is HPT more robust to a factor than pretraining from scratch, and more accurate than either alternative?

Robust is the arm whose result depends less on the factor, and not the one whose baseline happens to be its best level:
a change from the baseline may be a gain. The worst changes are compared too, in words that call a gain a gain.
"""

from __future__ import annotations

from dataclasses import replace

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import compare, few_images, of_measure
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.robustness import CHANGES_APART, ArmRobustness, robustness, robustness_difference
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import brackets, level_name, listed, lowered, points, spoken
from hpt_ray.analysis.phrases import ROBUSTNESS, WORST_CHANGE
from hpt_ray.analysis.quantities import Change, Points, Quantity
from hpt_ray.analysis.settling import settle_parts
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell, metric_tiles
from hpt_ray.spec.study import LABELS


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target; without a factor it is about the metric alone."""
    measured = {arm: found for arm in run.arms if (found := robustness(run, target, arm))}
    questions = _questions(run, target, measured) if run.factor is not None else []
    differences = [compare(run, target, HPT, other, run.baseline) for other in run.alternatives]
    robust, accuracies = settle_parts(
        run,
        target,
        ([question.claim for question in questions], differences),
        "robustness, and differences at the baseline" if questions else "differences",
    )
    claims = robust + accuracies
    place = f"at the {level_name(run.baseline)} {level_name(run.factor.name)}," if run.factor else ""
    return Verdict(
        target=target,
        findings=(
            *(replace(question, claim=claim) for question, claim in zip(questions, robust, strict=True)),
            *([Comparisons(accuracies, place)] if accuracies else []),
        ),
        nothing="the study lacks HPT or what it is held against",
        claims=claims,
        tiles=(
            *metric_tiles(run, target, HPT, run.baseline, "at the baseline"),
            *claim_tiles((claim, "") for claim in accuracies),
            *_tiles(run, measured),
        ),
        table=_table(run, target, measured),
        caveats=caveats(run, target, claims),
    )


def _questions(run: Run, target: str, measured: dict[str, ArmRobustness]) -> list[Question]:
    """How much HPT and from scratch depend on the factor: the claims, still to be settled, with their words."""
    found = robustness_difference(run, target, HPT, SCRATCH)
    sides = LABELS[HPT], LABELS[SCRATCH]
    empty = [lowered(LABELS[arm]) for arm in (HPT, SCRATCH) if arm not in measured]
    lacking = f"no change against the baseline for {listed(empty)}" if empty else "no level in common"
    details: dict[str, str | Quantity] = {"factor": level_name(run.factor.name) if run.factor else ""}
    if found is None:
        return [Question(of_measure(run, "robustness", sides, None, lacking=lacking), ROBUSTNESS, details)]
    for prefix, side in zip(("", "other_"), found.sides, strict=True):
        details[f"{prefix}worst"] = _change(side)
        if side.deviation is not None and side.loss is not None:
            details |= {f"{prefix}deviation": Change(side.deviation, signed=False), f"{prefix}loss": Points(side.loss)}
    alone = "of fewer than two seeds with all levels, luck cannot be told from the factor"
    what = f"the worst changes of HPT and {spoken(LABELS[SCRATCH])}"
    few = few_images(found.worst_apart, run.margin, CHANGES_APART, what=what)
    deviation = of_measure(run, "robustness", sides, found.deviation, lacking=alone)
    worst_change = of_measure(run, "worst change", sides, found.worst, lacking=lacking, needed=few)
    return [Question(deviation, ROBUSTNESS, details), Question(worst_change, WORST_CHANGE, details)]


def _change(found: ArmRobustness) -> str:
    """The worst change as a predicate, in which a gain is called a gain."""
    worst, level = f"{points(found.worst.estimate)} {brackets(found.worst)}", level_name(found.worst_level)
    return f"gains everywhere, least at {level}: {worst}" if found.worst.estimate > 0 else f"{worst} at {level}"


def _tiles(run: Run, measured: dict[str, ArmRobustness]) -> list[Tile]:
    """How much HPT and from scratch vary over the levels, of those that exist."""
    shown = {run.arms[arm]: found.deviation for arm in (HPT, SCRATCH) if (found := measured.get(arm))}
    remark = f"points: standard deviation over every {level_name(run.factor.name)}" if run.factor else ""
    return [
        Tile(f"{label}, varies by", Change(deviation, signed=False), remark)
        for label, deviation in shown.items()
        if deviation is not None
    ]


def _table(run: Run, target: str, measured: dict[str, ArmRobustness]) -> Table:
    """Per arm the accuracy at the baseline, how much it varies over the levels, its loss, and the worst change."""
    rows = []
    for arm, label in run.arms.items():
        accuracy, found = metric_cell(run, target, arm, run.baseline), measured.get(arm)
        deviation = Change(found.deviation, signed=False) if found and found.deviation else None
        loss = Points(found.loss) if found and found.loss is not None else None
        worst = (Change(found.worst), level_name(found.worst_level)) if found else (None, None)
        rows.append((label, accuracy, deviation, loss, *worst))
    if run.factor is None:
        return Table(("Arm", run.metric.heading), tuple(row[:2] for row in rows))
    heading = f"{run.metric.heading} at baseline"
    return Table(
        ("Arm", heading, "Varies by, points", "Loss to its best, points", "Worst change, points", "at"), tuple(rows)
    )
