"""How a study of 10,000 stages, and results of a million rows, behave: seconds, memory and the size of the report.

    python -m tests.benchmarks.bench_scale

Stages are stubs: nothing trains, and each folder holds files as small training would have left them. Every line is a
median of three, by the clock and, since other work may be going on, of this process's CPU time.
"""

from __future__ import annotations

import dataclasses
import gc
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import hpt_ray
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.core.identity import stream
from hpt_ray.core.registry import load, names
from hpt_ray.data.dataset import Dataset
from hpt_ray.execute.collect import collect
from hpt_ray.execute.manifest import plan_json, reader_notes, summarize
from hpt_ray.execute.prepare import Prepared, prepare
from hpt_ray.execute.runs import rewrite
from hpt_ray.execute.states import runs
from hpt_ray.execute.worker import CURVES, PREDICTIONS, RESULTS, packed
from hpt_ray.planning.stage import Stage
from hpt_ray.planning.unfold import make_plan
from hpt_ray.report import dashboard
from hpt_ray.report.dashboard import Dashboard
from hpt_ray.report.render import render, verdicts
from hpt_ray.spec.study import Evaluation, Study
from hpt_ray.store import schema as results
from hpt_ray.store.records import Manifest, StageRecord
from hpt_ray.store.store import PLAN, Store
from hpt_ray.store.tables import parquet, run_schema, to_frame, to_table
from tests.support import records

ROUNDS = 3
TARGETS = ("aerial", "texture", "colour", "shape")
#: 15 pretrainings, 30 evaluations and 2 of random features for each of four targets and 54 seeds.
SEEDS = 54

#: A million rows: 16 targets, 150 seeds, 3 arms that vary with 7 policies, two splits, before and after pretraining, in
#: these evaluations with so many repeats. Each has 20 test images, for two million predictions of the first.
POLICIES = tuple(names("policies"))
PROBES = {"linear": 1, "knn": 1, "sgd": 3}
EXAMPLES = 20

Value = TypeVar("Value")


def measured(what: str, work: Callable[[], Value]) -> Value:
    """The value of the last of three rounds, having printed their median time and the most memory so far."""
    clock, processor = list[float](), list[float]()
    for _ in range(ROUNDS):
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        value = work()
        clock.append(time.perf_counter() - wall)
        processor.append(time.process_time() - cpu)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds, cpu = statistics.median(clock), statistics.median(processor)
    print(f"{what:22} {seconds:7.2f} s, {cpu:7.2f} s of CPU, peak {peak:.1f} GiB", flush=True)
    return value


def many_stages() -> Study:
    """The augmentation ablation on four targets of 200 test images each."""
    return hpt_ray.make(
        "augment_ablation",
        base="synthetic:objects,n=1000",
        target=tuple(f"synthetic:{name},n=1000" for name in TARGETS),
        seeds=SEEDS,
        base_seeds=1,
        precision="float32",
    )


def planning(prepared: Prepared, store: Store) -> None:
    """From a study to its plan on disk."""
    plan = measured("make_plan", lambda: make_plan(prepared.plan.study, prepared.datasets))
    print(f"{len(plan.cells):,} cells, {len(plan.stages):,} stages")
    measured("Plan.id", lambda: plan.id)
    measured("Plan.units", plan.units)
    measured(
        "plan.json written",
        lambda: store.write_run(plan.run, {PLAN: plan_json(plan)}, manifest(plan.study, plan.id, {})),
    )


def reporting(prepared: Prepared, store: Store) -> None:
    """From finished stages to the report."""
    plan = prepared.plan
    for stage in plan.stages.values():
        store.finish(stage.id, stub(stage, prepared), record(stage), stage.model_dump(mode="json"))
    name = plan.run
    about = manifest(plan.study, plan.id, prepared.datasets)
    store.write_run(name, {PLAN: plan_json(plan)}, about)
    measured("status", lambda: runs(store))
    tables = measured("collect", lambda: collect(plan, store))
    print(", ".join(f"{len(table):,} rows of {name}" for name, table in tables.items()))
    # What `hpt-study report` does: the plan, its tables, verdicts and page.
    found = measured("report, all of it", lambda: rewrite(store, name))
    concluding(found.run, dashboard.find(plan.study))


def concluding(loaded: Run, dashboard: Dashboard) -> None:
    """The analysis of a run, which remembers what it has computed, and the page."""
    said = measured("verdicts and figures", lambda: analysed(dataclasses.replace(loaded), dashboard))
    print(said[0].sentence)
    page = measured("the same, and the page", lambda: page_of(dataclasses.replace(loaded), dashboard))
    print(f"report of {len(page.encode()) / 1e6:.1f} MB")


def analysed(run: Run, dashboard: Dashboard) -> list[Verdict]:
    """Everything that a page says, but for drawing it."""
    for section in dashboard.sections:
        if section.figure is not None:
            load("figures", section.figure).compute(run)
    return verdicts(run, dashboard)


def page_of(run: Run, dashboard: Dashboard) -> str:
    return render(run, dashboard, verdicts(run, dashboard))


def stub(stage: Stage, prepared: Prepared) -> dict[str, bytes]:
    """The files of a stage that was never run."""
    generator = stream(0, f"stub {stage.id}")
    if stage.kind == "pretrain":
        last = stage.content.iterations
        at = np.arange(10, last + 1, 10)
        columns = {
            "phase": ["all"] * len(at),
            "iteration": at,
            "loss": 3 + 2 * np.exp(-at / last) + 0.05 * generator.standard_normal(len(at)),
            "lr": 0.03 * (1 + np.cos(np.pi * at / last)) / 2,
            "images_per_second": np.full(len(at), 800.0),
            "feature_std": 0.09 + 0.01 * generator.standard_normal(len(at)),
            "stage": [stage.id] * len(at),
        }
        return {CURVES: packed(filled(columns, results.CURVES))}
    data = prepared.datasets[str(stage.data)]
    shown = data.evaluation()["test"]
    accuracy = 0.5 + 0.1 * generator.random()
    label = data.labels[shown]
    prediction = np.where(generator.random(len(shown)) < accuracy, label, (label + 1) % len(data.classes))
    share, probe = float((prediction == label).mean()), stage.content.probe
    rows = [
        {"evaluation": probe, "metric": "accuracy", "split": split, "repeat": 0, "value": share, "n": len(shown)}
        for split in ("val", "test")
    ]
    answers = {
        "evaluation": [probe] * len(shown),
        "repeat": np.zeros(len(shown), np.int64),
        "example": shown,
        "label": label,
        "prediction": prediction,
    }
    return {
        RESULTS: packed(to_table(rows, results.STAGE_RESULTS)),
        PREDICTIONS: packed(filled(answers, results.PREDICTIONS)),
    }


def filled(columns: Mapping[str, Any] | pd.DataFrame, schema: pa.Schema) -> pa.Table:
    """Columns as a table of a schema, null what they lack."""
    length = len(next(iter(columns.values()))) if isinstance(columns, dict) else len(columns)
    return pa.table(
        [
            pa.array(columns[column.name], column.type) if column.name in columns else pa.nulls(length, column.type)
            for column in schema
        ],
        schema=schema,
    )


def record(stage: Stage) -> StageRecord:
    return records.stage_record(seconds=2.0, work_seconds=2.5, images=stage.images, workers=1)


def manifest(study: Study, plan_id: str, datasets: Mapping[str, Dataset]) -> Manifest:
    """What a run writes down when it begins."""
    return records.manifest(
        study,
        plan_id=plan_id,
        datasets={spec: summarize(data) for spec, data in datasets.items()},
        notes=reader_notes(study),
    )


def analysing(store: Store) -> None:
    """From a million rows of results on disk to the page."""
    study = hpt_ray.make(
        "augment_ablation",
        target=tuple(f"target_{number}" for number in range(16)),
        policies=POLICIES,
        seeds=150,
        base_seeds=1,
    ).model_copy(update={"evaluations": tuple(Evaluation(probe=probe) for probe in PROBES)})
    for name, table in many_rows(study).items():
        store.write(f"million/{name}.parquet", parquet(table))
        print(f"{len(table):,} rows of {name}")

    def read() -> Run:
        tables = {name: to_frame(pq.read_table(store.path(f"million/{name}.parquet"))) for name in results.TABLES}
        views = results.VIEWS.empty_table().to_pandas()
        return Run(**tables, views=views, manifest=manifest(study, "million", {}))

    loaded = measured("load", read)
    concluding(loaded, dashboard.find(study))


def many_rows(study: Study) -> dict[str, pa.Table]:
    """Tables of a run in which every policy costs every arm a little accuracy, one policy more than another."""
    generator = stream(0, "many rows")
    policies = np.array(list(study.factors[0].levels))
    varying = [arm.chain for arm in study.arms if study.factors[0].varies(arm)]
    cells = pd.MultiIndex.from_product([study.targets, varying, policies, study.seeds, (0, 90)]).to_frame(index=False)
    cells.columns = ["target", "arm", "policy", "seed", "iteration"]
    cells["study"], cells["stage"] = study.name, [f"{number:016x}" for number in range(len(cells))]
    cells["weights"], cells["status"], cells["reason"], cells["device"] = cells["stage"], "done", "", "cpu"
    trained = cells["iteration"] > 0
    cells["seconds"], cells["images"] = np.where(trained, 2.0, np.nan), np.where(trained, 5760, 0)
    better = 0.1 * (cells["arm"] != "target") + 0.05 * trained - 0.01 * (cells["policy"] != policies[0])
    cells["true"] = 0.5 + better + 0.02 * generator.standard_normal(len(cells))

    def each(repeated: pd.DataFrame, **columns: Any) -> pd.DataFrame:
        """Every cell with every row of some columns."""
        rows = pd.DataFrame(columns)
        return repeated.loc[repeated.index.repeat(len(rows))].assign(
            **{name: np.tile(rows[name], len(repeated)) for name in rows}
        )

    asked = [(probe, repeat, split) for probe in PROBES for repeat in range(PROBES[probe]) for split in ("val", "test")]
    probes, repeats, splits = zip(*asked, strict=True)
    measures = each(cells, evaluation=probes, repeat=repeats, split=splits).assign(metric="accuracy", n=EXAMPLES)
    measures["value"] = generator.binomial(EXAMPLES, measures["true"]) / EXAMPLES
    answers = each(cells, example=np.arange(EXAMPLES), label=np.arange(EXAMPLES) % 5).assign(
        evaluation=next(iter(PROBES)), repeat=0
    )
    answers["prediction"] = answers["label"] + (generator.random(len(answers)) > answers["true"])
    curves = each(cells[trained].drop(columns="iteration"), iteration=np.arange(10, 91, 10))
    curves["phase"] = curves["arm"].str.split(">").str[-1]
    curves["loss"] = 5 - curves["iteration"] / 90 + 0.1 * generator.standard_normal(len(curves))
    found = {"results": measures, "predictions": answers, "curves": curves}
    return {name: filled(table, run_schema(results.TABLES[name], ["policy"])) for name, table in found.items()}


def main() -> None:
    pa.set_memory_pool(pa.system_memory_pool())  # as the command line has it
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        prepared = prepare(many_stages(), store)
        planning(prepared, store)
        reporting(prepared, store)
        analysing(store)


if __name__ == "__main__":
    main()
