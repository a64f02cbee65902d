"""Read a run from its folder in the store, without the data and the checkpoints that it used.

A store may come from someone else or from another version: content that this version would not write is a StoreError,
even if its checksum is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import pyarrow as pa
from pydantic import Field, ValidationError, model_validator

from hpt_ray.core.errors import StoreError, StudyError, explain
from hpt_ray.core.values import Frozen
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.stage import Stage
from hpt_ray.spec.study import Study
from hpt_ray.store import schema as results
from hpt_ray.store.files import foreign
from hpt_ray.store.store import PLAN, Store
from hpt_ray.store.tables import fitted, run_schema

#: The tables of a run's folder by their names, with the columns that must have a value in every row.
FILLED = {
    "results": ["study", "target", "arm", "evaluation", "metric", "split", "repeat", "iteration", "status", "stage"],
    "predictions": ["study", "target", "arm", "evaluation", "repeat", "example", "iteration"],
    "curves": ["study", "target", "arm", "phase", "iteration", "stage"],
    "views": results.VIEWS.names,
}


class StoredPlan(Frozen):
    """``plan.json``: a plan, stage by stage and cell by cell."""

    id: str
    study: Study
    stages: tuple[Stage, ...]
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]
    basis: Any = None  # see Plan

    @model_validator(mode="after")
    def _check(self) -> StoredPlan:
        for wrong in _misfits(self.study, {stage.id: stage for stage in self.stages}, self.cells):
            raise ValueError(wrong)
        return self


def plan(store: Store, run: str) -> Plan:
    """A run's plan. Raises StoreError if it is damaged, inconsistent or of another version."""
    data, where = store.run_file(run, PLAN), store.path(f"runs/{run}/{PLAN}")
    try:
        read = StoredPlan.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(foreign(where, explain(error))) from error
    except StudyError as error:  # the study in it is inconsistent
        raise StoreError(foreign(where, str(error))) from error
    plan_read = Plan(read.study, {stage.id: stage for stage in read.stages}, list(read.cells), read.basis)
    if plan_read.run != run:
        raise StoreError(foreign(where, "it is of another run, or of an earlier version"))
    return plan_read


def tables(store: Store, run: str, study: Study) -> dict[str, pa.Table]:
    """The tables of a run's results. Raises StoreError as ``table``."""
    factors = [factor.name for factor in study.factors]
    schemas = {name: run_schema(schema, factors) for name, schema in results.TABLES.items()}
    return {name: table(store, run, name, schema) for name, schema in schemas.items()}


def table(store: Store, run: str, name: str, schema: pa.Schema) -> pa.Table:
    """A table of a run. Raises StoreError if it is missing, damaged, or does not have this schema."""
    stored_table = store.run_table(run, f"{name}.parquet")
    try:
        stored_table = fitted(stored_table, schema, FILLED[name], rows=name == "results")
        for column in set(results.LATER.get(name, ())).difference(stored_table.column_names):
            place, field = schema.get_field_index(column), schema.field(column)
            stored_table = stored_table.add_column(place, field, pa.nulls(len(stored_table), field.type))
        if lacking := set(schema.names).difference(stored_table.column_names):
            raise ValueError(f"it has no column {min(lacking)}")
    except ValueError as error:
        raise StoreError(foreign(store.path(f"runs/{run}/{name}.parquet"), str(error))) from error
    return stored_table


def _misfits(study: Study, stages: Mapping[str, Stage], cells: Iterable[Cell]) -> Iterator[str]:
    """The inconsistencies of a plan, one line each."""
    arms = {arm.chain: arm for arm in study.arms}
    evaluations = len(study.evaluations)
    for cell in cells:
        arm = arms.get(cell.arm)
        if arm is None or cell.target not in study.targets or cell.seed not in (None, *study.seeds):
            yield f"the study has no cell {cell.arm}, seed {cell.seed}, on {cell.target}"
            continue
        known = {factor.name: list(factor.levels) if factor.varies(arm) else [None] for factor in study.factors}
        if list(cell.levels) != list(known) or any(level not in known[name] for name, level in cell.levels.items()):
            yield f"the study has no cell with the levels {cell.levels}"
        phases = {"pretrain", "weights", "interpolate"}
        kinds = [(cell.phases, phases), (cell.evaluations, {"evaluate"}), (cell.step0, {"evaluate"})]
        for named, fitting in kinds:
            if any(stage not in stages or stages[stage].kind not in fitting for stage in named):
                yield f"cell {cell.label} names a stage that is not there, or is of another kind"
        numbers = len(cell.phases), len(cell.evaluations), len(cell.step0) or evaluations
        if numbers != (arm.stages, evaluations, evaluations):
            yield f"cell {cell.label} has other phases or evaluations than the study"
