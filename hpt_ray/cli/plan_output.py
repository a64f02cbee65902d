"""What a plan is and what it costs, as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt_ray.analysis.measures.text_format import duration
from hpt_ray.cli.console import MANY, counted, facts, out
from hpt_ray.spec.bases import bases

if TYPE_CHECKING:
    from hpt_ray.execute.estimate import Estimate
    from hpt_ray.planning.plan import Plan

KINDS = {"pretrain": "pretrainings", "weights": "given weights", "evaluate": "evaluations"}


def plan(study_plan: Plan, cost: Estimate) -> None:
    describe_plan(study_plan, cost.cached)
    rate = f", {cost.rate:,.0f} images/s each ({cost.measured_by})" if cost.images else ""
    lines = facts()
    lines.add_row("to train on", f"{cost.images:,} images")
    lines.add_row("estimate", f"{duration(cost.seconds)} with {counted(cost.slots, 'stage')} at a time{rate}")
    if cost.gpu_hours is not None:
        lines.add_row("on GPUs", f"about {cost.gpu_hours:,.0f} hours of a V100, at the rate MoCo's authors publish")
    data = f"{cost.cache / 1e6:,.0f} MB of data in the cache of each machine"
    lines.add_row("disk", f"{cost.bytes / 1e6:,.0f} MB in the store, and {data}")
    out.print(lines)


def describe_plan(study_plan: Plan, cached: int) -> None:
    study = study_plan.study
    out.print(study.name, style="bold")
    out.print(" ".join(study.question.split()))
    lines = facts()
    lines.add_row("arms", "   ".join(f"{arm.label} ({arm.chain})" for arm in study.arms))
    for factor in study.factors:
        levels = list(factor.levels)
        if len(levels) > MANY:
            levels = [*levels[:3], f"... {len(levels)} in all"]
        lines.add_row(factor.name, "   ".join(levels))
    lines.add_row("targets", "   ".join(study.targets))
    lines.add_row("seeds", "   ".join(map(str, study.seeds)))
    if described := _bases(study_plan):
        lines.add_row("bases", described)
    kinds = [stage.kind for stage in study_plan.stages.values()]
    counts = ", ".join(f"{kinds.count(kind)} {word}" for kind, word in KINDS.items() if kind in kinds)
    lines.add_row("cells", str(len(study_plan.cells)))
    lines.add_row(
        "stages",
        f"{len(kinds)} ({counts}) in {1 + max(s.level for s in study_plan.stages.values())} levels, {cached} cached",
    )
    lines.add_row("network", f"{study.backbone}, {study.image_size} px, {study.precision}")
    out.print(lines)
    for note in study_plan.notes:
        out.print(note)


def _bases(study_plan: Plan) -> str:
    """How many bases a plan has, which seeds have which, and what part of its pretraining they are."""
    study = study_plan.study
    study_bases = bases(study)
    if study_bases is None:
        return ""
    stages = study_plan.bases()
    if study_bases.given:
        return "given weights, the same for every seed"
    whose = "the same for every seed" if study_bases.number == 1 else "one for each seed"
    if 1 < study_bases.number < len(study.seeds):
        whose = f"{study_bases.number}, over which the seeds cycle"
    images, everything = (sum(stage.images for stage in each) for each in (stages, study_plan.stages.values()))
    iterations = sum(stage.content.iterations for stage in stages)
    cost = f"{iterations:,} iterations, {images:,} images, {images / everything:.0%} of all"
    return f"{counted(len(stages), 'pretraining')} ({whose}{' and level' if study_bases.levels else ''}): {cost}"
