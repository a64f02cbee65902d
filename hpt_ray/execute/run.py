"""Run a study from its specification to its report: plan, execute what is missing, collect, analyse, write."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from hpt_ray.core import machine, registry
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.backend import Backend, Request, Runner
from hpt_ray.execute.earlier import looked_at
from hpt_ray.execute.estimate import demand_of
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import Result, finalize, views
from hpt_ray.execute.live import Live
from hpt_ray.execute.looks import Growing
from hpt_ray.execute.manifest import plan_json, reader_notes, reproduce_command, summarize
from hpt_ray.execute.prepare import Prepared, prepare, with_precision, with_results
from hpt_ray.execute.rounds import rounds
from hpt_ray.execute.stopping import orderly
from hpt_ray.execute.visible import paths_of
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.spec.grid import recipes_of
from hpt_ray.spec.growing import growing
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.store import labels
from hpt_ray.store.records import Manifest
from hpt_ray.store.screening import Screening
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
    until_decided: int | None = None,
    budget: float | None = None,
    name: str | None = None,
    note: str | None = None,
    screening: Screening | None = None,
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
        until_decided: seeds are added until the claims are decided, to so many at most; None: the study's own seeds.
        budget: seconds of wall time after which no look at the claims is begun; None: without end.
        name: stands for the run's id wherever a run is asked for. note: is shown with it. None: as they are.
        screening: how the arms of an advice were found; None of any other study.

    Raises:
        StudyError: for anything that the user can fix. A stage that fails raises nothing: see ``Result.failures``.
    """
    backend: Backend = registry.load("backends", runner)
    observer = observer or Observer()
    began, started, opened = time.perf_counter(), datetime.datetime.now(datetime.UTC), Store(store)
    requested = with_precision(growing(study, until_decided), runner, address, gpus)
    prepared = _prepare(requested, opened, observer)
    growth = Growing(prepared, opened, budget, workers, observer.looked) if until_decided else None
    plan, already = growth.plan if growth else prepared.plan, opened.finished()
    label = labels.checked(opened, plan.run, name, note)
    manifest = Manifest(
        study=plan.study,
        plan_id=plan.id,
        command=screening.command if screening else reproduce_command(study, str(store), runner, until_decided),
        versions=machine.versions(),
        hardware=machine.hardware(),
        started=started.isoformat(timespec="seconds"),
        datasets={spec: summarize(data) for spec, data in prepared.datasets.items()},
        notes=(*reader_notes(study), *prepared.notes),
        cached=len(already & set(plan.stages)),
        looks=growth.looks if growth else None,
        screening=screening,
        looked_at=() if study.search else looked_at(prepared.plan.study, prepared.fingerprints, opened, plan.run),
    )

    views_table = None if study.search else views(prepared)  # those of a search follow at its end
    live = Live(opened, progress := Progress(finished=set(already)), observer)

    def write_plan(known: Plan, manifest: Manifest) -> None:
        files = {PLAN: plan_json(known)} | ({} if views_table is None else {VIEWS: parquet(views_table)})
        opened.write_run(plan.run, files, manifest)
        labels.write(opened, plan.run, label)
        live.know(known, manifest, views_table)

    units = plan.units(without=already)
    work = iter([(plan, units)] if units else [])
    if growth:
        plan, units, work = growth.begin(manifest, write_plan)
    elif study.search and units:
        work = rounds(plan.study, prepared.datasets, opened)
    observer.planned(plan, units, len(already & set(plan.stages)))
    progress.expect(units)

    def begun_rounds() -> Iterator[list[Unit]]:
        """The rounds; the plan is written when one begins, so that a run that cannot begin leaves nothing behind."""
        for known, todo in work:
            looks = growth.looks if growth else None
            write_plan(known, manifest.model_copy(update={"study": known.study, "looks": looks}))
            if growth and todo is not units:
                progress.expect(todo)
            progress.begin(known, todo)
            yield todo

    with contextlib.ExitStack() as ending:
        if units:
            check_workers(plan.study, workers)
            request = Request(
                study=plan.study.name,
                run=f"{plan.run}-{uuid.uuid4().hex[:6]}",  # unique, since the same study may run twice on one cluster
                units=len(units),
                workers=workers,
                threads=threads,
                slots=slots,
                gpus=gpus,
                stages_per_gpu=stages_per_gpu,
                demand=partial(demand_of, prepared),
                address=address,
                paths=partial(paths_of, study),
            )
            ending.enter_context(live)
            closing = _execute_on(backend, request, begun_rounds(), live)
            ending.callback(closing.join)
            live.end_reports()
            outcome = {"seconds": time.perf_counter() - began, "given_up": progress.hopeless}
            manifest = manifest.model_copy(update=outcome | {"notes": (*manifest.notes, *progress.notes)})
        else:
            manifest = _earlier(opened, plan.run) or manifest
            labels.write(opened, plan.run, label)
        if growth:
            cached = len(already & set(growth.plan.stages)) if units else manifest.cached
            manifest = manifest.model_copy(update={"looks": growth.looks, "cached": cached})
        prepared = replace(prepared, plan=growth.plan) if growth else with_results(prepared, opened)
        return finalize(prepared.plan, views(prepared) if views_table is None else views_table, opened, manifest)


def _earlier(store: Store, run: str) -> Manifest | None:
    """The manifest of the run that trained all stages, which the report of one without any keeps describing; None if
    it is damaged."""
    with contextlib.suppress(StoreError):
        return store.manifest(run)
    return None


def _execute_on(backend: Backend, request: Request, work: Iterator[list[Unit]], live: Live) -> threading.Thread:
    """Run rounds of units on a backend, and return the thread that closes it."""
    with contextlib.ExitStack() as open_backend:
        chosen = open_backend.enter_context(backend(request))
        live.observer.started(chosen.layout, chosen.dashboard)
        live.dashboard = chosen.dashboard
        execute(work, live.progress, live.store, chosen, live.observer)
        # Ray takes seconds to shut down, in other processes: the report is written meanwhile.
        closing = threading.Thread(target=open_backend.pop_all().close)
    closing.start()
    return closing


def _prepare(study: Study, store: Store, observer: Observer) -> Prepared:
    """The study prepared, and what is damaged of its stages deleted."""
    if study.search is not None:  # its plan depends on results
        delete_damaged(store, store.finished(), observer)
    prepared = prepare(study, store, observer.decoding)
    if study.search is None:
        delete_damaged(store, prepared.plan.stages, observer)
    return prepared


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


def check_workers(study: Study, workers: int) -> None:
    from hpt_ray.training.workers import Workers

    for recipe in recipes_of(study):
        if isinstance(recipe, Pretraining):
            Workers(size=workers).share(recipe.batch // recipe.group)
