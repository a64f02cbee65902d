"""Run a study from its specification to its report: plan, execute what is missing, collect, analyse, write."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from hpt_ray.core import machine, registry
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.backend import Backend, Request, Runner
from hpt_ray.execute.estimate import demand_of
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import Result, finalize, views
from hpt_ray.execute.manifest import plan_json, reader_notes, reproduce_command, summarize
from hpt_ray.execute.prepare import prepare, with_precision, with_results
from hpt_ray.execute.rounds import rounds
from hpt_ray.execute.stopping import orderly
from hpt_ray.execute.study_paths import paths_of
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.spec.grid import recipes_of
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.store.records import Manifest
from hpt_ray.store.store import PLAN, VIEWS, Store
from hpt_ray.store.tables import parquet


def run(
    study: Study,
    *,
    store: str | Path = "hpt-store",
    runner: str = "ray",
    workers: int = 1,
    threads: int | None = None,
    slots: int | None = None,
    gpus: int | None = None,
    stages_per_gpu: int | None = None,
    address: str | None = None,
    observer: Observer | None = None,
) -> Result:
    """Run a study; stages that are finished in the store are not run again.

    Args:
        store: a local folder or an address that pyarrow knows.
        runner: a backend by its name or the path to its file: ``ray``, or ``inline`` in this process (one worker, one
            stage at a time; the same numbers).
        workers: processes that share the groups of each stage. threads: of each process.
        slots: number of stages that run at the same time.
        gpus: how many to use; 0: none; None: all there are.
        stages_per_gpu: stages that share one; None: several where they are small.
        address: a Ray cluster to join; None starts Ray on this machine.

    Raises:
        StudyError: for anything that the user can fix. A stage that fails raises nothing: see ``Result.failures``.
    """
    backend: Backend = registry.load("backends", runner)
    observer = observer or Observer()
    began, started = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    opened = Store(store)
    if study.search is not None:  # its plan depends on results
        delete_damaged(opened, opened.finished(), observer)
    prepared = prepare(with_precision(study, runner, address, gpus), opened, observer.decoding)
    plan = prepared.plan
    if study.search is None:
        delete_damaged(opened, plan.stages, observer)
    finished = opened.finished() & set(plan.stages)
    units = plan.units(without=finished)
    observer.planned(plan, units, len(finished))
    manifest = Manifest(
        study=plan.study,
        plan_id=plan.id,
        command=reproduce_command(study, str(store), runner),
        versions=machine.versions(),
        hardware=machine.hardware(),
        started=started.isoformat(timespec="seconds"),
        datasets={spec: summarize(data) for spec, data in prepared.datasets.items()},
        notes=(*reader_notes(study), *prepared.notes),
        cached=len(finished),
    )

    views_table = None if study.search else views(prepared)  # those of a search follow at its end

    def write_plan(known: Plan) -> None:
        files = {PLAN: plan_json(known)} | ({} if views_table is None else {VIEWS: parquet(views_table)})
        opened.write_run(plan.run, files, manifest)

    def begun_rounds() -> Iterator[list[Unit]]:
        """The rounds; the plan is written when one begins, so that a run that cannot begin leaves nothing behind."""
        several = rounds(plan.study, prepared.datasets, opened) if plan.study.search else [(plan, units)]
        for known, todo in several:
            write_plan(known)
            yield todo

    closing = threading.Thread()
    if units:
        _check_workers(plan.study, workers)
        # Unique, since the same study may run twice on one cluster.
        unique_name = f"{plan.run}-{uuid.uuid4().hex[:6]}"
        request = Request(
            study=plan.study.name,
            run=unique_name,
            units=len(units),
            workers=workers,
            threads=threads,
            slots=slots,
            gpus=gpus,
            stages_per_gpu=stages_per_gpu,
            demand=partial(demand_of, prepared),
            address=address,
            paths=paths_of(study),
        )
        with contextlib.ExitStack() as open_backend:
            chosen = open_backend.enter_context(backend(request))
            observer.started(chosen.layout, chosen.dashboard)
            progress = Progress.of(units)
            execute(begun_rounds(), progress, opened, chosen, observer)
            # Ray takes seconds to shut down, in other processes: the report is written meanwhile.
            closing = threading.Thread(target=open_backend.pop_all().close)
        closing.start()
        outcome = {"seconds": time.perf_counter() - began, "given_up": progress.hopeless}
        manifest = manifest.model_copy(update=outcome | {"notes": (*manifest.notes, *progress.notes)})
    else:
        # Nothing was left to run: the report keeps describing the run that trained the stages, if its manifest is
        # readable.
        with contextlib.suppress(StoreError):
            manifest = opened.manifest(plan.run)
    try:
        prepared = with_results(prepared, opened)
        return finalize(prepared.plan, views(prepared) if views_table is None else views_table, opened, manifest)
    finally:
        if closing.ident:
            closing.join()


def delete_damaged(store: Store, stages: Iterable[str], observer: Observer) -> None:
    """Delete damaged stages, so that this run recomputes them, and tell the observer."""
    for stage, damage in store.damaged(stages).items():
        observer.damaged(store.path(f"stages/{stage}"), str(damage))
        store.delete(stage)


def execute(work: Iterator[list[Unit]], progress: Progress, store: Store, runner: Runner, observer: Observer) -> None:
    """Run rounds of units and tell the observer, until none is left or all would fail for the same reason.

    Raises:
        KeyboardInterrupt: if the run was asked to stop; finished stages and checkpoints are kept.
    """
    with orderly(observer.stopping) as stopping:

        def tell(event: Event) -> bool:
            progress.update(event)
            observer.progress(event, progress)
            return not ending()

        def ending() -> bool:
            return stopping() or progress.hopeless is not None

        runner.run(work, store, tell, ending)


def _check_workers(study: Study, workers: int) -> None:
    from hpt_ray.training.workers import Workers

    for recipe in recipes_of(study):
        if isinstance(recipe, Pretraining):
            Workers(size=workers).share(recipe.batch // recipe.group)
