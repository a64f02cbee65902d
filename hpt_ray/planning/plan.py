"""The plan: a study unfolded into unique stages, in levels.

Equal work has an equal id, so one base pretraining serves every arm, factor level and study of a store. A stage needs
only stages of earlier levels; the evaluations of one stage's weights run as one unit with it, while they are warm.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import content_id
from hpt_ray.core.values import Frozen
from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.stage import PretrainingStage, Stage, evaluation_stage, pretraining_stage, weights_stage
from hpt_ray.planning.trunks import with_trunks
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.bases import bases
from hpt_ray.spec.grid import depends_on_seed, grid, recipes_at, seed_of, tested_on
from hpt_ray.spec.study import Pretraining, Study, Weights
from hpt_ray.store.schema import AXES, TABLES


class Cell(Frozen):
    """One arm at one factor level with one seed on one target.

    ``levels`` and ``seed`` are None where the arm does not depend on them: direct transfer is one cell.
    ``evaluations`` and ``step0`` hold evaluation stages in the order of the study's evaluations.
    """

    target: str
    arm: str
    levels: dict[str, str | None]
    seed: int | None
    phases: tuple[str, ...]
    evaluations: tuple[str, ...]
    step0: tuple[str, ...]
    iterations: int

    @property
    def axes(self) -> tuple[Any, ...]:
        """The coordinates of this cell in its study: no other cell has the same."""
        return (self.target, self.arm, *self.levels.values(), self.seed)

    @property
    def stages(self) -> tuple[str, ...]:
        """The ids of the stages that are its own."""
        return (*self.phases, *self.evaluations, *self.step0)

    @property
    def label(self) -> str:
        levels = [level for level in self.levels.values() if level is not None]
        seeds = [] if self.seed is None else [f"seed {self.seed}"]
        return ", ".join([Arm.parse(self.arm).label, *levels, *seeds])


class Unit(Frozen):
    """Stages that one worker group runs together: a stage that produces weights, and the evaluations of them."""

    id: str
    stages: tuple[Stage, ...]
    needs: str | None  # the id of the unit that has to finish first

    @property
    def label(self) -> str:
        return self.stages[0].label

    @property
    def images(self) -> int:
        return sum(stage.images for stage in self.stages)


@dataclass
class Plan:
    """A study's cells and the unique stages behind them, parents before children."""

    study: Study
    stages: dict[str, Stage] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    basis: Any = None  # what the id is computed from instead of all cells: a search has one id, whatever its results
    notes: list[str] = field(default_factory=list)  # what a user should know before running it, one line each

    @property
    def id(self) -> str:
        """The hash of the study's name, its cells and the stages that they need."""
        return content_id([self.study.name, self.basis or [cell.model_dump() for cell in self.cells]], 12)

    @property
    def run(self) -> str:
        """The name of a run of this plan: its folder in the store."""
        return f"{self.study.name}-{self.id}"

    def units(self, without: Iterable[str] = ()) -> list[Unit]:
        """The units left to run if the stages ``without`` are finished, the longest chain of work first."""
        finished = set(without)
        groups: dict[str, list[Stage]] = {}
        for stage in self.stages.values():
            if stage.id not in finished:
                head = stage.id if stage.kind != "evaluate" else stage.needs or str(stage.content.init)
                groups.setdefault(head, []).append(stage)
        units = []
        for head, stages in groups.items():
            # A unit of evaluations alone needs no other: the weights that they evaluate are finished.
            needs = stages[0].needs if stages[0].kind != "evaluate" else None
            units.append(Unit(id=head, stages=tuple(stages), needs=needs if needs not in finished else None))
        ahead = self._work_ahead(units)
        return sorted(units, key=lambda unit: -ahead[unit.id])

    def bases(self) -> list[PretrainingStage]:
        """The pretrainings of the study's bases."""
        study_bases = bases(self.study)
        chains = [arm.chain for arm in self.study.arms if study_bases and arm.phases[0].role == study_bases.role]
        first = dict.fromkeys(cell.phases[0] for cell in self.cells if cell.arm in chains)
        return [stage for name in first if (stage := self.stages[name]).kind == "pretrain"]

    def behind(self, stages: Iterable[str]) -> set[str]:
        """Some stages and all that they need, directly or not."""
        ids, open_ids = set[str](), list(stages)
        while open_ids:
            stage = open_ids.pop()
            if stage in self.stages and stage not in ids:
                ids.add(stage)
                open_ids += filter(None, [self.stages[stage].needs])
        return ids

    def stages_of(self, cells: Iterable[Cell]) -> dict[str, Stage]:
        """The stages behind some of its cells, in the order of the plan."""
        used = self.behind(itertools.chain.from_iterable(cell.stages for cell in cells))
        return {name: stage for name, stage in self.stages.items() if name in used}

    @staticmethod
    def _work_ahead(units: list[Unit]) -> dict[str, int]:
        """The number of images on the longest chain of units that starts with each unit, by unit id."""
        children: dict[str | None, list[Unit]] = {}
        for unit in units:
            children.setdefault(unit.needs, []).append(unit)
        ahead: dict[str, int] = {}
        for unit in reversed(units):  # children come after their parents
            ahead[unit.id] = unit.images + max((ahead[child.id] for child in children.get(unit.id, [])), default=0)
        return ahead


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
    for phase, phase_seed in zip(arm.phases, seeds, strict=True):
        recipe, parent = recipes[phase.role], phases[-1] if phases else None
        if isinstance(recipe, Weights):
            stage = importing(recipe)
        else:
            spec = recipe.data or target
            stage = pretraining_stage(study, recipe, phase.tune, spec, datasets[spec], phase_seed, parent)
        first = None if phases else phase_seed
        phases.append(_keep(plan, stage, _label(study, cell, phase.role, recipe, first)))

    def evaluations(weights: Stage | int) -> tuple[str, ...]:
        label = f"random features, seed {weights}" if isinstance(weights, int) else weights.label
        tested = ((item, item.data or target) for item in study.evaluations)
        stages = (evaluation_stage(study, item, weights, spec, datasets[spec]) for item, spec in tested)
        return tuple(_keep(plan, stage, label).id for stage in stages)

    last, before = phases[-1], phases[-2] if len(phases) > 1 else seeds[-1]
    cell = cell.model_copy(
        update={
            "phases": tuple(stage.id for stage in phases),
            "step0": evaluations(before) if isinstance(recipes[arm.phases[-1].role], Pretraining) else (),
            "evaluations": evaluations(last),
            "iterations": last.content.iterations if last.kind == "pretrain" else 0,
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
