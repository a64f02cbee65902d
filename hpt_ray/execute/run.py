"""Run a study from its specification to its report: plan, execute what is missing, collect, analyse, write."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from hpt_ray import results
from hpt_ray.analysis.run import Run
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.errors import StudyError
from hpt_ray.execute import account, machine
from hpt_ray.execute.cluster import dashboard_url, ray_session, resources
from hpt_ray.execute.collect import collect
from hpt_ray.execute.events import Event, Observer, Progress, Runner
from hpt_ray.execute.inline import InlineRunner
from hpt_ray.execute.prepare import Prepared, prepare
from hpt_ray.execute.rounds import rounds, settled
from hpt_ray.plan import Plan, Unit, recipes_of
from hpt_ray.policy import Policy
from hpt_ray.registry import load, names
from hpt_ray.store import Store
from hpt_ray.study import Pretraining, Study
from hpt_ray.training.preview import preview

RunnerName = Literal["ray", "inline"]


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        run: the tables (pandas) and manifest, ready for ``hpt_ray.analysis``.
        verdicts: what the run says about each of its targets.
        results: path or address of the results table. report: of the HTML report.
        failures: reasons by stage label; empty when every cell is there.
    """

    run: Run
    verdicts: tuple[Verdict, ...]
    results: str
    report: str
    failures: dict[str, str]


def run(
    study: Study,
    *,
    store: str | Path = "hpt-store",
    runner: RunnerName = "ray",
    workers: int = 1,
    threads: int | None = None,
    slots: int | None = None,
    address: str | None = None,
    observer: Observer | None = None,
) -> Result:
    """Run a study; what is finished in the store is not run again.

    Args:
        store: a local folder or an address that pyarrow knows.
        runner: ``ray``, or ``inline`` in this process (one worker, one stage at a time; the same numbers).
        workers: processes that share the groups of each stage. threads: of each process. slots: stages side by side.
        address: a Ray cluster to join; None starts Ray on this machine.

    Raises:
        StudyError: for anything the user can mend. A stage that fails is no error here: see ``Result.failures``.
    """
    observer = observer or Observer()
    began, started = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    opened = Store(store)
    prepared = prepare(study, opened, observer.decoding)
    plan = prepared.plan
    finished = opened.finished() & set(plan.stages)
    units = plan.units(without=finished)
    observer.planned(plan, units, len(finished))
    manifest: dict[str, Any] = {
        "study": plan.study.model_dump(mode="json"),
        "plan_id": plan.id,
        "command": account.command(study, str(store)),
        "versions": machine.versions(),
        "hardware": machine.hardware(),
        "started": started.isoformat(timespec="seconds"),
        "datasets": {spec: account.data(data) for spec, data in prepared.datasets.items()},
        "notes": account.notes(study),
        "seconds": 0.0,
        "cached": len(finished),
    }

    def note(known: Plan) -> None:
        opened.write_json(f"{folder_of(plan)}/plan.json", account.plan(known))
        opened.write_json(f"{folder_of(plan)}/run.json", manifest)

    def begun() -> Iterator[list[Unit]]:
        """The rounds, noted as they begin: a run that cannot begin leaves nothing behind."""
        for known, todo in rounds(prepared, opened):
            note(known)
            yield todo

    closing = threading.Thread()
    if units:
        with contextlib.ExitStack() as open_runner:
            chosen = open_runner.enter_context(
                runner_for(plan, units, runner, workers, threads, slots, address, observer)
            )
            execute(begun(), Progress.of(units), opened, chosen, observer)
            # Ray takes seconds to end, in processes of its own: meanwhile the report is written.
            closing = threading.Thread(target=open_runner.pop_all().close)
        closing.start()
        manifest["seconds"] = time.perf_counter() - began
    elif opened.exists(f"{folder_of(plan)}/run.json"):
        # Nothing was left to do: the report goes on describing the run that did it.
        manifest = opened.read_json(f"{folder_of(plan)}/run.json")
    else:
        note(plan)
    try:
        return conclude(settled(prepared, opened), opened, manifest)
    finally:
        if closing.ident:
            closing.join()


def folder_of(plan: Plan) -> str:
    """Where a run keeps its tables and report, in its store."""
    return f"runs/{plan.study.name}-{plan.id}"


@contextlib.contextmanager
def runner_for(
    plan: Plan,
    units: list[Unit],
    runner: RunnerName,
    workers: int,
    threads: int | None,
    slots: int | None,
    address: str | None,
    observer: Observer,
) -> Iterator[Runner]:
    """A runner that is ready to run.

    Raises:
        StudyError: for a layout that does not fit the machine or the batches, or a Ray that does not answer.
    """
    if runner == "inline":
        if workers > 1:
            raise StudyError(f"the inline runner has one worker, not {workers}: leave --workers out, or use Ray.")
        layout = machine.layout(machine.cores(), 0, 1, workers=1, threads=threads or 1, slots=1)
        observer.started(layout, None)
        yield InlineRunner(layout.threads)
        return
    from hpt_ray.execute.ray_runner import RayRunner

    _check_workers(plan.study, workers)
    with ray_session(address) as ray:
        layout = machine.layout(*resources(ray), len(units), workers=workers, threads=threads, slots=slots)
        observer.started(layout, dashboard_url(ray))
        # A name of its own: the same study may run twice on one cluster.
        chosen = RayRunner(ray, layout, f"{plan.study.name}-{plan.id}-{uuid.uuid4().hex[:6]}")
        with contextlib.closing(chosen):
            yield chosen


def execute(work: Iterator[list[Unit]], progress: Progress, store: Store, runner: Runner, observer: Observer) -> None:
    """Run rounds of units while an observer is told."""

    def tell(event: Event) -> bool:
        progress.update(event)
        observer.progress(event, progress)
        return True

    runner.run(work, store, tell)


def conclude(prepared: Prepared, store: Store, manifest: dict[str, Any]) -> Result:
    """Collect what the store has of a plan, and write the run's folder: tables, manifest and report."""
    plan, folder = prepared.plan, folder_of(prepared.plan)
    tables = collect(plan, store)
    manifest["study"] = plan.study.model_dump(mode="json")
    store.write_json(f"{folder}/plan.json", account.plan(plan))
    records = [record for stage in plan.stages if (record := store.record(stage))]
    missing = {stage: store.failure(stage) or "not run yet" for stage in plan.stages if store.record(stage) is None}
    manifest["compute_seconds"] = sum(record["seconds"] for record in records)
    manifest["stages"] = {
        "total": len(plan.stages),
        "cached": manifest["cached"],
        "trained": len(records) - manifest["cached"],
        "failed": len(missing),
    }
    manifest["failures"] = [
        {"stage": stage, "reason": reason, "cells": _cells(plan, stage)} for stage, reason in missing.items()
    ]
    views = pa.Table.from_pylist(_views(prepared), schema=results.VIEWS)
    for name, table in {**tables, "views": views}.items():
        store.write_table(f"{folder}/{name}.parquet", table)
    store.write_json(f"{folder}/run.json", manifest)
    frames = {name: results.to_frame(table) for name, table in {**tables, "views": views}.items()}
    made = Run(**frames, manifest=manifest)
    from hpt_ray.report import render, verdicts

    dashboard = dashboard_for(plan.study.name)
    found = verdicts(made, dashboard)
    store.write(f"{folder}/report.html", render(made, dashboard, found).encode())
    failures = {plan.stages[stage].label: reason for stage in missing if (reason := store.failure(stage))}
    paths = store.path(f"{folder}/results.parquet"), store.path(f"{folder}/report.html")
    return Result(made, tuple(found), *paths, failures)


def dashboard_for(study: str) -> Any:
    """The study's own dashboard, or for a user's own study the one of the augmentation ablation."""
    return load("dashboards", study if study in names("dashboards") else "augment_ablation")


def _check_workers(study: Study, workers: int) -> None:
    from hpt_ray.training.workers import Workers

    for recipe in recipes_of(study):
        if isinstance(recipe, Pretraining):
            Workers(size=workers).share(recipe.batch // recipe.group)


def _cells(plan: Plan, stage: str) -> list[str]:
    return [cell.label for cell in plan.cells if stage in (*cell.phases, *cell.evaluations, *cell.step0)]


def _views(prepared: Prepared) -> list[dict[str, Any]]:
    study = prepared.plan.study
    levels: dict[str, Policy] = {}
    for factor in study.factors:
        if factor.field == "policy":
            levels = {name: Policy.model_validate(value) for name, value in factor.levels.items()}
    if study.search is not None:  # has tried too many policies to look at: those that it confirms are shown
        confirmed = [cell.levels.values() for cell in prepared.plan.cells if cell.seed not in study.search.seeds]
        levels = {name: levels[name] for name in levels if any(name in names for names in confirmed)}
    recipe = study.recipes.get("target")
    if not levels and isinstance(recipe, Pretraining):
        levels = {"policy": recipe.policy}
    return preview(prepared.datasets[study.targets[0]], levels, study.image_size)
