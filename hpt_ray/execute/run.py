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

from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.backend import Backend, Request, Runner
from hpt_ray.execute.earlier import looked_at
from hpt_ray.execute.estimate import demand_of
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import Result, finalize, views
from hpt_ray.execute.live import Live
from hpt_ray.execute.looks import Growing
from hpt_ray.execute.manifest import begun_manifest, reproduce_command
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
from hpt_ray.store.store import Store

#: Rounds of units, each with the plan at that time.
Rounds = Iterator[tuple[Plan, list[Unit]]]


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
    began, started = time.perf_counter(), datetime.datetime.now(datetime.UTC)
    backend: Backend = registry.load("backends", runner)
    opened, observer = Store(store), observer or Observer()
    prepared = _prepare(with_precision(growing(study, until_decided), runner, address, gpus), opened, observer)
    already = opened.finished()
    course: Growing | Given = Given(prepared, opened, already)
    if until_decided:
        course = Growing(prepared, opened, budget, workers, observer.looked)
    first_plan, cached = course.plan, len(already & course.plan.stages.keys())
    command = screening.command if screening else reproduce_command(study, str(store), runner, until_decided)
    looked = () if study.search else looked_at(prepared.plan.study, prepared.fingerprints, opened, first_plan.run)
    manifest = begun_manifest(prepared, first_plan, started, command, cached, course.looks, looked, screening)
    views_at_once = None if study.search else views(prepared)  # those of a search follow at its end
    label = labels.checked(opened, first_plan.run, name, note)
    live = Live(opened, Progress(finished=set(already)), observer, label, views_at_once)

    plan, units, rounds_left = course.begin(manifest, live.write_plan)
    observer.planned(plan, units, len(already & plan.stages.keys()))
    live.progress.expect(units)
    with contextlib.ExitStack() as ending:
        if units:
            check_workers(plan.study, workers)
            request = Request(
                study=plan.study.name,
                run=f"{plan.run}-{uuid.uuid4().hex[:6]}",  # unique, since the same study may run twice on one cluster
                units=len(units),
                targets=plan.study.targets,
                store=opened.shown,
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
            closing = _execute_on(backend, request, _begun(rounds_left, units, course, manifest, live), live, runner)
            ending.callback(closing.join)
            live.end_reports()
            manifest = live.outcome(manifest, time.perf_counter() - began)
        else:
            manifest = _earlier(opened, plan.run) or manifest
            labels.write(opened, plan.run, label)
        plan = course.final()
        if course.looks:
            cached = len(already & plan.stages.keys()) if units else manifest.cached
            manifest = manifest.model_copy(update={"looks": course.looks, "cached": cached})
        shown = views(replace(prepared, plan=plan)) if views_at_once is None else views_at_once
        return finalize(plan, shown, opened, manifest)


class Given:
    """The course of a study whose seeds are given: one round or, of a search, as many as its results ask for."""

    looks = None

    def __init__(self, prepared: Prepared, store: Store, already: set[str]) -> None:
        """``already``: the stages that are finished."""
        self.prepared, self.store, self.already, self.plan = prepared, store, already, prepared.plan

    def begin(self, *_: object) -> tuple[Plan, list[Unit], Rounds]:
        """The plan, the units that are left to run, of a search estimated, and the rounds. See ``Growing.begin``."""
        units = self.plan.units(without=self.already)
        if units and self.plan.study.search:
            return self.plan, units, rounds(self.plan.study, self.prepared.datasets, self.store)
        return self.plan, units, iter([(self.plan, units)] if units else [])

    def final(self) -> Plan:
        """The plan for the report, at the end."""
        return with_results(self.prepared, self.store).plan


def _begun(
    rounds_left: Rounds, foreseen: list[Unit], course: Growing | Given, manifest: Manifest, live: Live
) -> Iterator[list[Unit]]:
    """The rounds; the plan is written when one begins, so that a run that cannot begin leaves nothing behind.

    Args:
        foreseen: units that the progress expects already.
    """
    for plan, units in rounds_left:
        live.write_plan(plan, manifest.model_copy(update={"study": plan.study, "looks": course.looks}))
        if course.looks and units is not foreseen:
            live.progress.expect(units)
        live.progress.begin(plan, units)
        yield units


def _earlier(store: Store, run: str) -> Manifest | None:
    """The manifest of the run that trained all stages, which the report of one without any keeps describing; None if
    it is damaged."""
    with contextlib.suppress(StoreError):
        return store.manifest(run)
    return None


def _execute_on(
    backend: Backend, request: Request, work: Iterator[list[Unit]], live: Live, runner: str
) -> threading.Thread:
    """Run rounds of units on a backend, and return the thread that closes it."""
    if runner == "ray":  # takes seconds
        live.observer.doing(f"joining Ray at {request.address}" if request.address else "starting Ray")
    with contextlib.ExitStack() as open_backend:
        chosen = open_backend.enter_context(backend(request))
        live.observer.started(chosen.layout, chosen.dashboard)
        live.dashboard = chosen.dashboard and chosen.dashboard.split()[0]  # the token that may follow is no one else's
        execute(work, live.progress, live.store, chosen, live.observer)
        # Ray takes seconds to shut down, in other processes: the report is written meanwhile.
        closing = threading.Thread(target=open_backend.pop_all().close)
    closing.start()
    return closing


def _prepare(study: Study, store: Store, observer: Observer) -> Prepared:
    """The study prepared, and what is damaged of its stages deleted."""
    observer.doing("reading the data and making the plan")
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
