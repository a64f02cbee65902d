"""The plan: a study unfolded into unique stages, in levels.

Equal work has an equal id, so one base pretraining serves every arm, factor level and study of a store. A stage needs
only stages of earlier levels; the evaluations of one stage's weights run as one unit with it, while they are warm.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hpt_ray.core.identity import content_id
from hpt_ray.core.values import Frozen
from hpt_ray.planning.stage import PretrainingStage, Stage
from hpt_ray.spec.arm import Arm
from hpt_ray.spec.bases import bases
from hpt_ray.spec.study import Study


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
            parents = stages[0].parents if stages[0].kind != "evaluate" else ()
            needs = next((parent for parent in parents if parent not in finished), None)
            units.append(Unit(id=head, stages=tuple(stages), needs=needs))
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
