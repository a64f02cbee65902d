"""From a plan and the store to the three tables of a run: every cell has its rows, also the missing and failed ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from hpt_ray import results
from hpt_ray.execute.stage import CURVES, PREDICTIONS, RESULTS
from hpt_ray.plan import Cell, Plan
from hpt_ray.store import Store
from hpt_ray.study import Arm


def collect(plan: Plan, store: Store) -> dict[str, pa.Table]:
    """The tables ``results``, ``predictions`` and ``curves`` of a run, in the order of the plan."""
    factors = [factor.name for factor in plan.study.factors]
    reader = _Reader(plan, store)
    rows: list[dict[str, Any]] = []
    predictions: list[pa.Table] = []
    curves: list[pa.Table] = []
    schema = results.run_schema(results.PREDICTIONS, factors)
    for cell in plan.cells:
        axes = _axes(plan, cell)
        for iteration, stages in ((0, cell.step0), (cell.iterations, cell.evaluations)):
            for evaluation, stage in zip(plan.study.evaluations, stages, strict=bool(stages)):
                # What a study calls an evaluation is no part of a stage, which other studies share.
                named = {"evaluation": evaluation.name}
                rows.extend(axes | row | named for row in reader.results(cell, stage, iteration))
                table = reader.table(stage, PREDICTIONS)
                if table is not None:
                    predictions.append(_with(table, axes | named | {"iteration": iteration}, schema))
        for phase, stage in zip(Arm.parse(cell.arm).phases, cell.phases, strict=True):
            table = reader.table(stage, CURVES) if plan.stages[stage].kind == "pretrain" else None
            if table is not None:
                name = phase.role + (":bn" if phase.tune == "bn" else "")
                table = table.set_column(0, "phase", pa.array([name] * len(table), pa.string()))
                curves.append(_with(table, axes, results.run_schema(results.CURVES, factors)))
    empty = {
        name: results.run_schema(results.TABLES[name], factors).empty_table() for name in ("predictions", "curves")
    }
    return {
        "results": results.to_table(rows, results.run_schema(results.RESULTS, factors)),
        "predictions": pa.concat_tables(predictions or [empty["predictions"]]),
        "curves": pa.concat_tables(curves or [empty["curves"]]),
    }


def score(store: Store, failed: Callable[[str], bool]) -> Callable[[Cell], float | None]:
    """What a search looks at: a cell's accuracy or mean AUROC on val in the first evaluation, a mean over its repeats.

    NaN where ``failed`` is true of one of the cell's stages, None where its result is simply not there yet.
    """
    read: dict[str, float] = {}

    def value(cell: Cell) -> float | None:
        stage = cell.evaluations[0]
        if stage not in read:
            if store.record(stage) is None:
                return math.nan if any(failed(each) for each in (*cell.phases, stage)) else None
            rows = store.stage_table(stage, RESULTS).to_pylist()
            read[stage] = float(
                np.mean([row["value"] for row in rows if row["split"] == "val" and not row.get("class")])
            )
        return read[stage]

    return value


class _Reader:
    """Reads each stage once, however many cells share it."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.plan, self.store = plan, store
        self.records: dict[str, dict[str, Any] | None] = {}
        self.tables: dict[tuple[str, str], pa.Table | None] = {}

    def record(self, stage: str) -> dict[str, Any] | None:
        if stage not in self.records:
            self.records[stage] = self.store.record(stage)
        return self.records[stage]

    def table(self, stage: str, name: str) -> pa.Table | None:
        key = (stage, name)
        if key not in self.tables:
            self.tables[key] = self.store.stage_table(stage, name) if self.record(stage) else None
        return self.tables[key]

    def results(self, cell: Cell, stage: str, iteration: int) -> Iterator[dict[str, Any]]:
        record, table = self.record(stage), self.table(stage, RESULTS)
        trained = self.record(cell.phases[-1]) if iteration else None
        weights = self.plan.stages[stage].content["weights"]
        common = {
            "iteration": iteration,
            "stage": stage,
            "weights": weights,
            "parents": list(cell.phases if iteration else cell.phases[:-1]),
            "seconds": trained["seconds"] if trained else None,
            "images": trained["images"] if trained else None,
            "device": (trained or record or {}).get("device"),
        }
        if record is None or table is None:
            reason = self.store.failure(stage)
            yield common | {
                "metric": self.plan.stages[stage].content.get("metric", "accuracy"),
                "split": "test",
                "repeat": 0,
                "status": "failed" if reason else "missing",
                "reason": reason or "not run yet",
            }
            return
        for row in table.to_pylist():
            reason = "" if row["value"] is not None else f"train or {row['split']} has not both values of it"
            yield common | row | {"status": "done", "reason": reason, "version": record["versions"]["hpt_ray"]}


def _axes(plan: Plan, cell: Cell) -> dict[str, Any]:
    return {"study": plan.study.name, "target": cell.target, "arm": cell.arm, **cell.levels, "seed": cell.seed}


def _with(table: pa.Table, constants: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """A stage's table with a cell's axes in front, in the order of the schema; null what it has no column for.

    A store keeps stages of earlier versions, whose predictions have no lists.
    """
    columns = [
        table[field.name]
        if field.name in table.column_names and field.name not in constants
        else pa.array([constants.get(field.name)] * len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
