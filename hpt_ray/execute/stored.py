"""A run as its folder in the store tells it, without the data and the checkpoints that it was made from.

A store may be a stranger's or of another version: what is not as it would be written here is a StoreError in one line,
whatever its checksum says.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

import pyarrow as pa
from pydantic import ConfigDict, Field, ValidationError, model_validator

from hpt_ray.core.errors import StoreError, StudyError, explain
from hpt_ray.core.values import Frozen
from hpt_ray.data.leakage import Shared
from hpt_ray.planning.plan import Cell, Plan
from hpt_ray.planning.stage import Stage
from hpt_ray.spec.study import Study
from hpt_ray.store import schema as results
from hpt_ray.store.store import MANIFEST, PLAN, Store, foreign

#: The tables of a run's folder by their names, with the columns that have a value in every row.
FILLED = {
    "results": ["study", "target", "arm", "evaluation", "metric", "split", "repeat", "iteration", "status", "stage"],
    "predictions": ["study", "target", "arm", "evaluation", "repeat", "example", "iteration"],
    "curves": ["study", "target", "arm", "phase", "iteration", "stage"],
    "views": results.VIEWS.names,
}

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Channels = tuple[float, float, float]


class _Open(Frozen):
    """Earlier versions wrote fewer fields, later ones may write more."""

    model_config = ConfigDict(extra="ignore")


class DataSet(_Open):
    """A data set in numbers, as ``account.data`` writes it."""

    name: str
    train: Count
    val: Count
    test: Count
    excluded: Count
    classes: tuple[str, ...]
    mean: Channels
    std: Channels
    fingerprint: str
    found: tuple[str, ...] = ()
    shared: tuple[Shared, ...] = ()


class Counts(_Open):
    """How many stages came from where, or did not come."""

    total: Count
    cached: Count
    trained: int  # fewer than none where stages that were there when the run began are not any more
    failed: Count
    not_run: Count = 0


class Failure(_Open):
    """A stage that a run lacks, and the labels of the cells that need it."""

    stage: str
    reason: str
    cells: tuple[str, ...]


class Manifest(_Open):
    """What a run says of itself in ``run.json``. What follows from its stages is there once it has been concluded."""

    plan_id: str
    command: str
    versions: dict[str, str]
    hardware: dict[str, str | int | float | None]
    started: str  # see ``started``
    datasets: dict[str, DataSet]
    notes: tuple[str, ...]
    seconds: Seconds
    cached: Count
    given_up: str | None = None
    compute_seconds: Seconds | None = None
    stages: Counts | None = None
    weights: tuple[str, ...] = ()
    failures: tuple[Failure, ...] | None = None


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


def name_of(plan: Plan) -> str:
    """What a run of a plan is called: the folder in its store where it keeps its tables and report."""
    return f"{plan.study.name}-{plan.id}"


def started(store: Store, run: str) -> str:
    """When a run was started, in ISO 8601. Raises StoreError."""
    return _moment(store, run, store.manifest(run))


def _moment(store: Store, run: str, record: dict[str, Any]) -> str:
    moment = record.get("started")
    try:
        datetime.datetime.fromisoformat(moment)  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise StoreError(foreign(store.path(f"runs/{run}/{MANIFEST}"), "it has no date of its start")) from error
    return str(moment)


def manifest(store: Store, run: str) -> dict[str, Any]:
    """What a run says of itself, all that its page shows having the right type. Raises StoreError."""
    record = store.manifest(run)
    _moment(store, run, record)
    try:
        return record | Manifest.model_validate(record).model_dump(mode="json")
    except ValidationError as error:
        raise StoreError(foreign(store.path(f"runs/{run}/{MANIFEST}"), explain(error))) from error


def plan(store: Store, run: str) -> Plan:
    """A run's plan. Raises StoreError for one that is damaged, of another version, or does not hold together."""
    data, where = store.run_file(run, PLAN), store.path(f"runs/{run}/{PLAN}")
    try:
        read = StoredPlan.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(foreign(where, explain(error))) from error
    except StudyError as error:  # of a study that does not hold together
        raise StoreError(foreign(where, str(error))) from error
    made = Plan(read.study, {stage.id: stage for stage in read.stages}, list(read.cells), read.basis)
    if name_of(made) != run:
        raise StoreError(foreign(where, "it is of another run, or of an earlier version"))
    return made


def table(store: Store, run: str, name: str, schema: pa.Schema) -> pa.Table:
    """A table of a run by its name. Raises StoreError if it is missing, damaged, or none with this schema."""
    found = store.run_table(run, f"{name}.parquet")
    try:
        found = results.fitted(found, schema, FILLED[name], rows=name == "results")
        if lacking := set(schema.names).difference(found.column_names):
            raise ValueError(f"it has no column {min(lacking)}")
    except ValueError as error:
        raise StoreError(foreign(store.path(f"runs/{run}/{name}.parquet"), str(error))) from error
    return found


def _misfits(study: Study, stages: Mapping[str, Stage], cells: Iterable[Cell]) -> Iterator[str]:
    """What does not hold together in a plan, a line each."""
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
        kinds = [(cell.phases, {"pretrain", "weights"}), (cell.evaluations, {"evaluate"}), (cell.step0, {"evaluate"})]
        for named, fitting in kinds:
            if any(stage not in stages or stages[stage].kind not in fitting for stage in named):
                yield f"cell {cell.label} names a stage that is not there, or is of another kind"
        numbers = len(cell.phases), len(cell.evaluations), len(cell.step0) or evaluations
        if numbers != (len(arm.phases), evaluations, evaluations):
            yield f"cell {cell.label} has other phases or evaluations than the study"
