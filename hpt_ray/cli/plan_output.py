"""What a plan is and what it costs, as the terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hpt_ray.analysis.measures.text_format import duration, listed, points
from hpt_ray.cli.console import MANY, counted, facts, out, table
from hpt_ray.spec.bases import bases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpt_ray.analysis.claim import Claim
    from hpt_ray.execute.estimate import Estimate
    from hpt_ray.execute.prepare import Prepared
    from hpt_ray.planning.plan import Plan
    from hpt_ray.planning.trunks import Sharing

KINDS = {
    "pretrain": "pretrainings",
    "weights": "given weights",
    "interpolate": "averages of weights",
    "evaluate": "evaluations",
}


def plan(study_plan: Plan, cost: Estimate) -> None:
    describe_plan(study_plan, cost.cached)
    rate = f", {cost.rate:,.0f} images/s each ({cost.measured_by})" if cost.images else ""
    lines = facts()
    lines.add_row("to train on", f"{cost.images:,} images")
    if shared := cost.sharing:
        lines.add_row("shared", _shared(shared))
    lines.add_row("estimate", f"{duration(cost.seconds)} with {counted(cost.slots, 'stage')} at a time{rate}")
    if cost.gpu_hours is not None:
        lines.add_row("on GPUs", f"about {cost.gpu_hours:,.0f} hours of a V100, at the rate MoCo's authors publish")
    data = f"{cost.cache / 1e6:,.0f} MB of data in the cache of each machine"
    lines.add_row("disk", f"{cost.bytes / 1e6:,.0f} MB in the store, and {data}")
    out.print(lines)


def can_show(prepared: Prepared, comparisons: Sequence[Claim]) -> None:
    """The smallest difference that the study can show, and a warning where it is large."""
    from hpt_ray.analysis import expectation
    from hpt_ray.analysis.measures.rows import rows

    study, metrics = (
        prepared.plan.study,
        {s.content.metric for s in prepared.plan.stages.values() if s.kind == "evaluate"},
    )
    if not comparisons and metrics != {"accuracy"}:  # the noise is known of accuracy alone
        return
    target = min(study.targets, key=lambda name: len(prepared.datasets[name].splits["test"]))
    images, number = len(prepared.datasets[target].splits["test"]), len(rows(study))
    shared = bases(study)
    own_bases = shared is not None and shared.number > 1
    shown = expectation.can_show(comparisons, images, number, own_bases=own_bases)
    what = "bases" if own_bases and number < len(study.seeds) else "seeds"
    on = f"{counted(images, 'test image')}" + (f" of {target}, the fewest" if len(study.targets) > 1 else "")
    source = "measured in this store" if shown.measured else "as measured at the quick scale"
    lines = facts()
    if shown.smallest is None:
        lines.add_row("can show", "nothing that holds for other seeds: one does not show how much seeds differ")
    else:
        least = f"differences from {points(shown.smallest, signed=False)} points on"
        lines.add_row("can show", f"{least} (one claim, 80 % power; {number} {what}, {on}; noise {source})")
    out.print(lines)
    if shown.smallest is None or shown.smallest > expectation.LARGE:
        large = f"{points(expectation.LARGE, signed=False)} points"
        advice = (
            f"{shown.needed} {what} would" if shown.needed else "no number of seeds will: more test images are needed"
        )
        out.print(f"warning: this study will hardly show a difference of {large}; {advice}.", soft_wrap=True)


def _shared(shared: Sharing) -> str:
    """What budgets share, and how many images that saves."""
    saved = 1 - shared.images / shared.alone
    stored = f", {counted(shared.stored, 'stage')} from what is finished in the store" if shared.stored else ""
    return (
        f"{counted(shared.budgets, 'budget')} as cooldowns of {counted(shared.trunks, 'trunk')}{stored}: "
        f"{shared.images:,} images, {saved:.0%} fewer than the {shared.alone:,} of each alone"
    )


def until_decided(prepared: Prepared, cost: Estimate, comparisons: Sequence[Claim]) -> None:
    """What the study will take if it grows until it is decided; ``cost`` is that of all seeds there may be."""
    from hpt_ray.analysis.expectation import expectation

    study, most = prepared.plan.study, len(prepared.plan.study.seeds)
    images, shared = len(prepared.datasets[study.targets[0]].splits["test"]), bases(study)
    own_bases = shared is not None and shared.number == most
    outlook = expectation(comparisons, images, study.margin / 100, most, own_bases=own_bases)
    source = "measured in this store" if outlook.measured else "as measured at the quick scale"
    lines = facts()
    lines.add_row("looks", f"after {listed([str(rows) for rows in outlook.looks])} seeds, until every claim is decided")
    spread = ", ".join(f"{what} {points(value**0.5, signed=False)}" for what, value in outlook.parts.items())
    lines.add_row("luck", f"of a difference, as standard deviations in points: {spread} ({source})")
    smallest = f"{points(outlook.smallest, signed=False)} points, with however many seeds (80 % power)"
    lines.add_row("test images", f"{images:,}, which can show a difference of {smallest}")
    out.print(lines)
    expected = table("true difference", "seeds", "10 to 90 %", "shown", "equivalent", "cells", "time")
    for difference, foreseen in outlook.foreseen.items():
        share = foreseen.rows.mean() / most
        expected.add_row(
            f"{points(difference)} points",
            f"{foreseen.rows.mean():.1f}",
            f"{foreseen.rows_at(0.1):.0f} to {foreseen.rows_at(0.9):.0f}",
            f"{foreseen.differs:.0%}",
            f"{foreseen.equivalent:.0%}",
            f"{share * len(prepared.plan.cells):,.0f}",
            duration(share * cost.seconds),
        )
    out.print(expected)
    out.print("Expected of one claim; of several, those that are open go on alone. Cells and time are of all arms.")


def describe_plan(study_plan: Plan, cached: int) -> None:
    study = study_plan.study
    out.print(study.name, style="bold")
    out.print(" ".join(study.question.split()))
    lines = facts()
    named = (arm.chain if arm.label == arm.chain else f"{arm.label} ({arm.chain})" for arm in study.arms)
    lines.add_row("arms", "   ".join(named))
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
    deep = 1 + max(stage.level for stage in study_plan.stages.values())
    lines.add_row("stages", f"{len(kinds)} ({counts}), at most {deep} in a row, {cached} cached")
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
    behind = [study_plan.stages[name] for name in study_plan.behind(stage.id for stage in stages)]
    images, everything = (sum(stage.images for stage in each) for each in (behind, study_plan.stages.values()))
    iterations = sum(stage.content.iterations for stage in stages)
    cost = f"{iterations:,} iterations, {images:,} images, {images / everything:.0%} of all"
    return f"{counted(len(stages), 'pretraining')} ({whose}{' and level' if study_bases.levels else ''}): {cost}"
