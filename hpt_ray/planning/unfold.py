"""A study unfolded into its plan: every cell, and the unique stages behind it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.stage import Stage, evaluation_stage, interpolation_stage, pretraining_stage, weights_stage
from hpt_ray.planning.trunks import with_trunks
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.grid import depends_on_seed, grid, recipes_at, seed_of, tested_on
from hpt_ray.spec.study import Pretraining, Study, Weights
from hpt_ray.store.schema import AXES, TABLES


def make_plan(study: Study, datasets: Mapping[str, Dataset]) -> Plan:
    """Unfold a study, whose precision is resolved, with its data sets by name or path.

    Raises:
        DataError: if a target has no labels to evaluate with. WeightsError: if a checkpoint file is missing.
        StudyError: for a factor level that makes no valid recipe, or a factor named like a column of the results.
    """
    columns = {name for schema in (AXES, *TABLES.values()) for name in schema.names}
    for factor in study.factors:
        if factor.name in columns:
            raise StudyError(
                f"study {study.name}: factor {factor.name!r} has the name of a column of the results: "
                f"call it something else, such as {factor.roles[0]}_{factor.name}."
            )
    if study.precision == "auto":
        raise StudyError(f"study {study.name}: a plan needs the precision of its stages, float32 or bfloat16.")
    plan, planned = Plan(study), set[tuple[Any, ...]]()
    importing = functools.cache(functools.partial(weights_stage, study))  # hashes a checkpoint once, not per cell
    for tested in tested_on(study):
        datasets[tested].evaluation()
    for target in study.targets:
        for levels in grid(study):
            recipes = recipes_at(study, levels)
            for seed, arm in itertools.product(study.seeds, study.arms):
                if any(levels[f.name] not in f.levels_of(arm) for f in study.factors if f.varies(arm)):
                    continue
                cell = _cell(study, target, arm, levels, recipes, seed)
                if cell.axes not in planned:
                    planned.add(cell.axes)
                    _unfold(plan, cell, arm, recipes, seed, datasets, importing)
    plan.stages = with_trunks(plan.stages)
    return plan


def _cell(
    study: Study, target: str, arm: Arm, levels: dict[str, str], recipes: dict[str, Pretraining | Weights], seed: int
) -> Cell:
    """A cell whose stages are not planned yet."""
    roles = {phase.role for phase in arm.phases}
    return Cell(
        target=target,
        arm=arm.chain,
        levels={f.name: levels[f.name] if f.varies(arm) else None for f in study.factors},
        seed=seed if any(depends_on_seed(recipes[role]) for role in roles) else None,
        phases=(),
        evaluations=(),
        step0=(),
        iterations=0,
    )


def _unfold(
    plan: Plan,
    cell: Cell,
    arm: Arm,
    recipes: dict[str, Pretraining | Weights],
    seed: int,
    datasets: Mapping[str, Dataset],
    importing: Callable[[Weights], Stage],
) -> None:
    """Add a cell and the stages behind it."""
    study, target = plan.study, cell.target
    seeds = [seed_of(recipes[phase.role], seed) for phase in arm.phases]
    phases: list[Stage] = []
    before: Stage | None = None  # what the last phase starts from
    for phase, phase_seed in zip(arm.phases, seeds, strict=True):
        recipe, before = recipes[phase.role], phases[-1] if phases else None
        label = _label(study, cell, phase.role, recipe, None if phases else phase_seed)
        if isinstance(recipe, Weights):
            phases.append(_keep(plan, importing(recipe), label))
            continue
        spec = recipe.data or target
        stage = pretraining_stage(study, recipe, phase.tune, spec, datasets[spec], phase_seed, before)
        phases.append(_keep(plan, stage, label))
        if phase.weight is not None and before is not None:
            average = interpolation_stage(study, phase.weight, before, stage, spec, datasets[spec])
            phases.append(_keep(plan, average, label))

    def evaluations(weights: Stage | int) -> tuple[str, ...]:
        label = f"random features, seed {weights}" if isinstance(weights, int) else weights.label
        tested = ((item, item.data or target) for item in study.evaluations)
        stages = (evaluation_stage(study, item, weights, spec, datasets[spec]) for item, spec in tested)
        return tuple(_keep(plan, stage, label).id for stage in stages)

    trained = [stage.content.iterations for stage in phases if stage.kind == "pretrain"]
    cell = cell.model_copy(
        update={
            "phases": tuple(stage.id for stage in phases),
            "step0": evaluations(before or seeds[-1]) if trained else (),
            "evaluations": evaluations(phases[-1]),
            "iterations": trained[-1] if trained else 0,
        }
    )
    plan.cells.append(cell)


def _label(study: Study, cell: Cell, role: str, recipe: Pretraining | Weights, first: int | None) -> str:
    """The label of a phase: its cell, or its role where that never saw the target.

    Args:
        first: the seed of a first phase; None of a later one, which is known by its cell.
    """
    if isinstance(recipe, Pretraining) and depends_on_seed(recipe) and (first is None or recipe.data is None):
        return f"{cell.label} on {cell.target}" if len(study.targets) > 1 else cell.label
    levels = [str(cell.levels[factor.name]) for factor in study.factors if role in factor.roles]
    seeds = [f"seed {first}"] if depends_on_seed(recipe) else []
    return ", ".join([f"{role} pretraining" if isinstance(recipe, Pretraining) else f"{role} weights", *levels, *seeds])


def _keep(plan: Plan, stage: Stage, label: str) -> Stage:
    return plan.stages.setdefault(stage.id, stage.model_copy(update={"label": label}))
