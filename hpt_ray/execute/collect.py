"""The three tables of a run, from its plan and the store: every cell has its rows, also missing and failed ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_ray.core.errors import StoreError
from hpt_ray.core.metric import Metric, find
from hpt_ray.core.registry import name_of
from hpt_ray.execute.worker import CURVES, PREDICTIONS, RESULTS
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import EvaluationStage, Stage
from hpt_ray.spec.arm import Arm
from hpt_ray.store import schema as results
from hpt_ray.store.files import foreign
from hpt_ray.store.records import StageRecord
from hpt_ray.store.store import Store
from hpt_ray.store.tables import fitted, from_parquet, run_schema

#: Stages that are read at the same time from an object store, where most time is spent waiting. From a local folder one
#: thread reads ten thousand stages in 0.7 s, and eight threads, which block each other, in 2.5 s.
THREADS = 8

#: The reason for a result that is missing although nothing failed.
NOT_RUN = "not run yet"

#: The tables of each kind of stage.
READ = {"pretrain": [CURVES], "evaluate": [RESULTS, PREDICTIONS]}


def _without(schema: pa.Schema, name: str) -> pa.Schema:
    return schema.remove(schema.get_field_index(name))


#: The columns that are read of each table: names of phases and evaluations are added by the run.
SCHEMAS = {
    CURVES: _without(results.CURVES, "phase"),
    RESULTS: _without(results.STAGE_RESULTS, "evaluation"),
    PREDICTIONS: _without(results.PREDICTIONS, "evaluation"),
}

#: The columns that must have a value in every row.
FILLED = {CURVES: ["iteration"], RESULTS: ["metric", "split", "repeat"], PREDICTIONS: ["repeat", "example"]}


def collect(plan: Plan, store: Store, known: dict[str, Finished] | None = None) -> dict[str, pa.Table]:
    """The tables ``results``, ``predictions`` and ``curves`` of a run, in the order of the plan.

    Args:
        known: the plan's finished stages; None: they are read here.
    """
    factors = [factor.name for factor in plan.study.factors]
    finished_stages = finished(plan, store) if known is None else known
    phases = {chain: Arm.parse(chain).phases for chain in {cell.arm for cell in plan.cells}}
    stages_of_last = {chain: 1 if own[-1].weight is None else 2 for chain, own in phases.items()}
    parts: dict[str, list[Part]] = {name: [] for name in results.TABLES}
    for cell in plan.cells:
        axes = {"study": plan.study.name, "target": cell.target, "arm": cell.arm, **cell.levels, "seed": cell.seed}
        earlier, last = cell.phases[: -stages_of_last[cell.arm]], cell.phases[-stages_of_last[cell.arm] :]
        for iteration, stages in ((0, cell.step0), (cell.iterations, cell.evaluations)):
            trained = [finished_stages[stage].record for stage in last if iteration and stage in finished_stages]
            trained = trained if len(trained) == len(last) else []
            for evaluation, stage in zip(plan.study.evaluations, stages, strict=bool(stages)):
                # A stage does not know the study's name for an evaluation, since other studies may share the stage.
                axes_of_rows = axes | {"evaluation": evaluation.name, "iteration": iteration}
                evaluated, planned = finished_stages.get(stage), plan.stages[stage]
                assert planned.kind == "evaluate"
                measured = trained[-1] if trained else evaluated and evaluated.record
                reason = None if evaluated else store.failure(stage)
                row = axes_of_rows | {
                    "seconds": sum(record.seconds for record in trained) if trained else None,
                    "images": sum(record.images for record in trained) if trained else None,
                    "trained": next((record.trained for record in trained if record.trained is not None), None),
                    "device": measured.device if measured else None,
                    "status": "done" if evaluated else "failed" if reason else "missing",
                    "reason": None if evaluated else reason or NOT_RUN,
                    "stage": stage,
                    "weights": planned.content.weights,
                    "parents": list(cell.phases if iteration else earlier),
                    "version": evaluated.record.versions.get("hpt_ray") if evaluated else None,
                }
                parts["results"].append((row, evaluated.tables[RESULTS] if evaluated else _no_result(planned)))
                if evaluated:
                    parts["predictions"].append((axes_of_rows, evaluated.tables[PREDICTIONS]))
        pretrained = [stage for stage in cell.phases if plan.stages[stage].kind != "interpolate"]
        for phase, stage in zip(phases[cell.arm], pretrained, strict=True):
            if stage in finished_stages and CURVES in finished_stages[stage].tables:
                parts["curves"].append((axes | {"phase": phase.name}, finished_stages[stage].tables[CURVES]))
    tables = {name: _concatenated(parts[name], run_schema(results.TABLES[name], factors)) for name in parts}
    return tables | {"results": _with_reasons(tables["results"], _metric(plan))}


def _metric(plan: Plan) -> Metric:
    """What a plan's evaluations measure, all alike."""
    return next(find(stage.content.metric) for stage in plan.stages.values() if stage.kind == "evaluate")


class Finished(NamedTuple):
    """A finished stage: its record, and its tables by file name."""

    record: StageRecord
    tables: dict[str, pa.Table]


#: The columns that have one value in all rows of a stage's table, and the table.
Part = tuple[dict[str, Any], pa.Table]


def finished(plan: Plan, store: Store) -> dict[str, Finished]:
    """The plan's finished stages by id; a stage that several cells share is read once."""

    def read(stage: Stage) -> tuple[StageRecord, dict[str, bytes]] | None:
        record = store.record(stage.id)
        if record is None:
            return None
        files = {name: store.stage_file(stage.id, name, record) for name in READ.get(stage.kind, [])}
        return record, files

    with ThreadPoolExecutor(THREADS) as pool:
        each_read = map if store.local else pool.map
        read_stages = list(zip(plan.stages, each_read(read, plan.stages.values()), strict=True))
    stages = {}
    for stage, each in read_stages:
        if each is not None:
            record, files = each
            where = {name: store.path(f"stages/{stage}/{name}") for name in files}
            tables = {name: from_parquet(data, where[name], SCHEMAS[name].names) for name, data in files.items()}
            stages[stage] = Finished(record, {name: checked(store, stage, name, tables[name]) for name in tables})
    return stages


def checked(store: Store, stage: str, name: str, table: pa.Table) -> pa.Table:
    """A stage's table, checked against its schema: the store may come from someone else."""
    try:
        return fitted(table, SCHEMAS[name], FILLED[name])
    except ValueError as error:
        raise StoreError(foreign(store.path(f"stages/{stage}/{name}"), str(error))) from error


def _no_result(stage: EvaluationStage) -> pa.Table:
    """The row that stands for a missing evaluation."""
    return pa.table({"metric": [name_of(stage.content.metric)], "split": ["test"], "repeat": [0]})


def _concatenated(parts: list[Part], schema: pa.Schema) -> pa.Table:
    """All parts as one table of this schema; a column that no part has is null.

    Stages of earlier versions lack some columns, such as the lists of predictions.
    """
    if not parts:
        return schema.empty_table()
    fixed = pa.schema([column for column in schema if column.name in parts[0][0]])
    constants = pa.Table.from_pylist([same for same, _ in parts], schema=fixed)
    constants = constants.take(np.repeat(np.arange(len(parts)), [len(table) for _, table in parts]))
    rest = pa.concat_tables([table for _, table in parts], promote_options="default").combine_chunks()
    columns = [
        constants[column.name]
        if column.name in fixed.names
        else rest[column.name]
        if column.name in rest.column_names
        else pa.nulls(len(rest), column.type)
        for column in schema
    ]
    return pa.table(columns, schema=schema)


def _with_reasons(table: pa.Table, metric: Metric) -> pa.Table:
    """Results whose ``reason`` says of a class without a value why, and is empty of a value that is there."""
    before, _, after = (metric.by_class.undefined if metric.by_class else "").partition("{split}")
    undefined = pc.binary_join_element_wise(before, table["split"], after, "")
    reason = pc.coalesce(table["reason"], pc.if_else(pc.is_null(table["value"]), undefined, ""))
    return table.set_column(table.column_names.index("reason"), table.schema.field("reason"), reason)
