"""Is HPT more robust to a factor than pretraining from scratch, and more accurate than either alternative?

Robust is the arm whose result depends less on the factor, and not the one whose baseline happens to be its best level:
a change from the baseline may be a gain. The worst changes are compared too, in words that call a gain a gain.
"""

from __future__ import annotations

from dataclasses import replace

from hpt_ray.analysis.caveats import caveats
from hpt_ray.analysis.claim import compare_pooled
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.measures.robustness import ArmRobustness, robustness, robustness_difference
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.text_format import level_name, listed, lowered
from hpt_ray.analysis.quantities import Change
from hpt_ray.analysis.robustness_questions import questions
from hpt_ray.analysis.settling import settle_parts
from hpt_ray.analysis.verdict import Table, Tile, Verdict, claim_tiles, metric_cell, metric_tiles
from hpt_ray.spec.arm import LABELS


def verdict(run: Run, target: str) -> Verdict:
    """The verdict on one target; without a factor it is about the metric alone."""
    measured = {arm: own for arm in run.arms if (own := robustness(run, target, arm))}
    questions = _questions(run, target, measured) if run.factor is not None else []
    differences = [compare_pooled(run, target, HPT, other, run.baseline) for other in run.alternatives]
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
    difference = robustness_difference(run, target, HPT, SCRATCH)
    sides = LABELS[HPT], LABELS[SCRATCH]
    empty = [lowered(LABELS[arm]) for arm in (HPT, SCRATCH) if arm not in measured]
    lacking = f"no change against the baseline for {listed(empty)}" if empty else "no level in common"
    return questions(
        difference,
        sides,
        level_name(run.factor.name) if run.factor else "",
        lacking,
        metric=run.metric.name,
        evaluation=run.evaluation,
        margin=run.margin,
    )


def _tiles(run: Run, measured: dict[str, ArmRobustness]) -> list[Tile]:
    """How much HPT and from scratch vary over the levels, of those that exist."""
    shown = {run.arms[arm]: own.deviation for arm in (HPT, SCRATCH) if (own := measured.get(arm))}
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
        accuracy, own = metric_cell(run, target, arm, run.baseline), measured.get(arm)
        deviation = Change(own.deviation, signed=False) if own and own.deviation else None
        loss = Change(own.loss, signed=False) if own and own.loss else None
        worst = (Change(own.worst), level_name(own.worst_level)) if own else (None, None)
        rows.append((label, accuracy, deviation, loss, *worst))
    if run.factor is None:
        return Table(("Arm", run.metric.heading), tuple(row[:2] for row in rows))
    heading = f"{run.metric.heading} at baseline"
    return Table(
        ("Arm", heading, "Varies by, points", "Loss to its best, points", "Worst change, points", "at"), tuple(rows)
    )
