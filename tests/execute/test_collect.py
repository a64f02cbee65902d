"""From stages in a store to the tables of a run, without any training: the stages' files are written by hand."""

from __future__ import annotations

import dataclasses
import shutil
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt_ray.core.errors import StoreError
from hpt_ray.execute.collect import collect
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import Stage
from hpt_ray.planning.unfold import make_plan
from hpt_ray.store import schema as results
from hpt_ray.store.store import Store
from hpt_ray.store.tables import parquet, run_schema, to_table
from tests.support import small
from tests.support.records import stage_record


def value_of(stage: Stage) -> float:
    """A number that tells the stage it came from."""
    return int(stage.id[:8], 16) / 16**8


def finish(store: Store, stage: Stage) -> None:
    record = stage_record(images=stage.images, versions={"hpt_ray": "1.2.3"})
    files: dict[str, bytes] = {}
    if stage.kind == "pretrain":
        row = {"phase": "all", "iteration": 1, "loss": value_of(stage), "stage": stage.id}
        files = {"curves.parquet": parquet(to_table([row], results.CURVES))}
    elif stage.kind == "evaluate":
        row = {"evaluation": stage.content.probe, "metric": "accuracy", "repeat": 0, "n": 2}
        rows = [row | {"split": split, "value": value_of(stage)} for split in ("val", "test")]
        said = [
            {"evaluation": row["evaluation"], "repeat": 0, "example": i, "label": 0, "prediction": i} for i in (3, 7)
        ]
        files = {
            "results.parquet": parquet(to_table(rows, results.STAGE_RESULTS)),
            "predictions.parquet": parquet(to_table(said, results.PREDICTIONS)),
        }
    store.finish(stage.id, files, record)


@pytest.fixture
def plan() -> Plan:
    return small.plan(small.study(seeds=(0, 1)))


@pytest.fixture
def store(tmp_path, plan) -> Store:
    made = Store(tmp_path / "store")
    for stage in plan.stages.values():
        finish(made, stage)
    return made


def rows(table: pa.Table, **where: Any) -> list[dict[str, Any]]:
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in where.items())]


def test_the_tables_have_the_schema_of_results(plan, store):
    tables = collect(plan, store)
    assert set(tables) == set(results.TABLES)
    for name, table in tables.items():
        assert table.schema == run_schema(results.TABLES[name], ["policy"])


def test_every_cell_has_the_value_of_its_own_stage(plan, store):
    table = collect(plan, store)["results"]
    for cell in plan.cells:
        axes = {"arm": cell.arm, "policy": cell.levels["policy"], "seed": cell.seed, "target": cell.target}
        for iteration, stages in ((0, cell.step0), (cell.iterations, cell.evaluations)):
            for evaluation, stage in zip(("linear", "knn"), stages, strict=True):
                for split in ("val", "test"):
                    (row,) = rows(table, **axes, iteration=iteration, evaluation=evaluation, split=split)
                    assert row["value"] == value_of(plan.stages[stage])
                    assert row["stage"] == stage
                    assert (row["status"], row["reason"], row["version"]) == ("done", "", "1.2.3")
    # 13 cells, two probes, two splits, before and after the last phase.
    assert table.num_rows == 13 * 2 * 2 * 2


def test_a_row_knows_the_phases_behind_it(plan, store):
    table = collect(plan, store)["results"]
    (cell,) = [c for c in plan.cells if (c.arm, c.levels["policy"], c.seed) == ("base>target", "baseline", 0)]
    base, target = cell.phases
    where = {"arm": "base>target", "policy": "baseline", "seed": 0, "evaluation": "knn", "split": "test"}
    (after,) = rows(table, **where, iteration=2)
    (before,) = rows(table, **where, iteration=0)
    assert (after["weights"], after["parents"]) == (target, [base, target])
    assert (before["weights"], before["parents"]) == (base, [base])
    assert (after["images"], after["seconds"]) == (32, 1.5)
    assert (before["images"], before["seconds"]) == (None, None)
    (random,) = rows(table, **(where | {"arm": "target"}), iteration=0)
    assert (random["weights"], random["parents"]) == (None, [])


def test_predictions_and_curves_carry_the_axes_of_every_cell_that_shares_them(plan, store):
    tables = collect(plan, store)
    assert tables["predictions"].num_rows == tables["results"].num_rows // 2 * 2
    assert {row["example"] for row in tables["predictions"].to_pylist()} == {3, 7}
    curves = tables["curves"].to_pylist()
    phases = {(row["arm"], row["phase"]) for row in curves}
    assert phases == {
        ("target", "target"),
        ("base", "base"),
        ("base>target", "base"),
        ("base>target", "target"),
        ("base>target:bn", "base"),
        ("base>target:bn", "target:bn"),
    }
    for row in curves:
        assert row["loss"] == value_of(plan.stages[row["stage"]])


def test_a_cell_that_is_missing_or_failed_has_rows_that_say_so(plan, tmp_path):
    store = Store(tmp_path / "part")
    lost = [c for c in plan.cells if (c.arm, c.levels["policy"]) == ("base>target", "crop_only")]
    absent = {stage for cell in lost for stage in (cell.phases[-1], *cell.evaluations)}
    for stage in plan.stages.values():
        if stage.id not in absent:
            finish(store, stage)
    for stage in lost[0].evaluations:
        store.fail(stage, "the loss is nan")
    table = collect(plan, store)["results"]
    for cell, status, reason in ((lost[0], "failed", "the loss is nan"), (lost[1], "missing", "not run yet")):
        found = rows(table, arm="base>target", policy="crop_only", seed=cell.seed, iteration=2)
        assert [(row["evaluation"], row["split"]) for row in found] == [("linear", "test"), ("knn", "test")]
        assert {(row["value"], row["status"], row["reason"]) for row in found} == {(None, status, reason)}
    assert sum(row["status"] != "done" for row in table.to_pylist()) == 4


def test_a_store_with_nothing_gives_a_row_for_every_cell_and_probe(plan, tmp_path):
    tables = collect(plan, Store(tmp_path / "empty"))
    assert tables["results"].num_rows == 13 * 2 * 2
    assert set(tables["results"]["status"].to_pylist()) == {"missing"}
    assert (tables["predictions"].num_rows, tables["curves"].num_rows) == (0, 0)


def test_predictions_of_before_multi_label_data_have_no_lists(plan, tmp_path):
    store = Store(tmp_path / "old")
    for stage in plan.stages.values():
        finish(store, stage)
        if stage.kind == "evaluate":
            folder = tmp_path / "old" / "stages" / stage.id
            said = pq.read_table(folder / "predictions.parquet").drop_columns(["labels", "scores"])
            told = pq.read_table(folder / "results.parquet").drop_columns(["class"])
            files = {"predictions.parquet": parquet(said), "results.parquet": parquet(told)}
            shutil.rmtree(folder)
            store.finish(stage.id, files, stage_record(versions={"hpt_ray": "0"}))
    tables = collect(plan, store)
    assert tables["predictions"].schema == run_schema(results.PREDICTIONS, ["policy"])
    assert tables["predictions"]["label"].null_count == 0
    assert tables["predictions"]["scores"].null_count == len(tables["predictions"])
    assert tables["results"]["class"].null_count == len(tables["results"])


def test_a_missing_cell_has_the_metric_of_its_target(tmp_path):
    study = small.study()
    targets = np.arange(40, dtype=np.int8).reshape(20, 2) // 2 % 2
    multilabel = dataclasses.replace(small.dataset(small.TARGET), targets=targets)
    plan = make_plan(study, {small.TARGET: multilabel, small.BASE: small.dataset(small.BASE)})
    table = collect(plan, Store(tmp_path / "empty"))["results"]
    assert set(table["metric"].to_pylist()) == {"auroc"}
    assert set(table["class"].to_pylist()) == {None}


def test_a_damaged_stage_is_named_rather_than_counted(plan, store, tmp_path):
    stage = plan.cells[0].evaluations[0]
    (tmp_path / "store" / "stages" / stage / "results.parquet").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match=rf"{stage}/results\.parquet is damaged"):
        collect(plan, store)
