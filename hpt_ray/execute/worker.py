"""Run one unit on one worker: lock it, load data and weights, train or evaluate, write the stages' folders.

Every backend calls this, in its own process or in a worker group.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from filelock import FileLock, Timeout

from hpt_ray.core import machine, user_code
from hpt_ray.core.errors import StageInterruptedError, StoreError, StudyError
from hpt_ray.core.registry import load, name_of
from hpt_ray.execute.events import Event, Tell
from hpt_ray.execute.stage_data import stage_data
from hpt_ray.execute.stopping import Watch, interrupted_together
from hpt_ray.execute.trunks import Continued
from hpt_ray.planning.plan import Unit
from hpt_ray.planning.stage import EvaluationStage, InterpolationStage, PretrainingStage, Stage, WeightsStage
from hpt_ray.store import schema as results
from hpt_ray.store.records import StageRecord
from hpt_ray.store.store import STATE, WEIGHTS, Store
from hpt_ray.store.tables import from_columns, occupied, parquet, to_table
from hpt_ray.training import device
from hpt_ray.training.answers import measured, predictions
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.curve import Curve
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.probe import Subject
from hpt_ray.training.statistics import re_estimate_statistics
from hpt_ray.training.weights import checkpoints
from hpt_ray.training.weights.audit import Audit
from hpt_ray.training.weights.interpolation import interpolate
from hpt_ray.training.weights.sources import load_weights
from hpt_ray.training.workers import Workers

#: Seconds between two attempts to lock a unit that another run holds.
LOCK_SECONDS = 1.0
#: Seconds between two reports: one for every iteration would slow a small network down by some per cent.
TELL_SECONDS = 0.5
#: Seconds that a step may take to end once the run is to stop; a longer one is abandoned.
STEP_PATIENCE = 4.0
CURVES, RESULTS, PREDICTIONS = "curves.parquet", "results.parquet", "predictions.parquet"


@contextlib.contextmanager
def locked(unit: Unit, store: Store, tell: Tell) -> Iterator[None]:
    """Lock a unit while it runs; wait as long as another process holds the lock.

    The operating system holds the lock on a file in the store and releases it when the process ends, even if it is
    killed. An object store has no locks: there two runs may both train a shared stage, and write the same content.

    Raises:
        StageInterruptedError: if ``tell`` returns False, since the run is to stop, while this waits.
        StoreError: if the store cannot be written.
    """
    if not store.local:
        yield
        return
    path = Path(store.root, "locks", f"{unit.id}.lock")
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=LOCK_SECONDS)
                break
            if not tell(Event(kind="progress", unit=unit.id, label=unit.label)):
                raise StageInterruptedError("interrupted while another run was at it")
    except OSError as error:
        raise StoreError(f"{path} cannot be locked ({error.strerror}): choose another store.") from error
    try:
        yield
    finally:
        # Other processes may still wait on this file. It is deleted only if they will find the unit finished.
        if all(store.record(stage.id) for stage in unit.stages):
            path.unlink(missing_ok=True)
        lock.release()


def run_unit(unit: Unit, store: Store, workers: Workers, threads: int, tell: Tell) -> None:
    """Run the unfinished stages of a unit: all workers train together, then they share out the evaluations.

    Raises:
        StageInterruptedError: if ``tell`` returns False, since the run is to stop; then all workers raise it.
        StudyError: the reason why the unit cannot be finished.
    """
    device.keep_memory()
    device.benchmark_convolutions()
    warm: dict[str, Subject] = {}
    evaluations = [stage for stage in unit.stages if stage.kind == "evaluate"]
    with device.threads(threads):
        with interrupted_together(workers):
            for stage in unit.stages:
                if stage.kind == "evaluate" or store.record(stage.id) is not None:
                    continue
                if stage.kind == "pretrain":
                    _pretrain(stage, unit, store, workers, tell)
                elif workers.rank == 0:
                    with Watch(unit, tell, patience=0.0):
                        if stage.kind == "weights":
                            _import_weights(stage, store)
                        else:
                            _interpolate(stage, store, workers)
        # The first worker has written the weights by now, for all to read.
        with interrupted_together(workers):
            for stage in evaluations[workers.rank :: workers.size]:
                if store.record(stage.id) is None:
                    with Watch(unit, tell, patience=0.0):
                        _evaluate(stage, store, workers, warm)


def _pretrain(stage: PretrainingStage, unit: Unit, store: Store, workers: Workers, tell: Tell) -> None:
    began, content = time.perf_counter(), stage.content
    # Several workers must stop together: if one left a step, the others would wait in it for ever.
    with Watch(unit, tell, patience=STEP_PATIENCE if workers.size == 1 else None) as watch:
        pretrainer = _pretrainer(stage, store, workers)
        reported, reported_at = content.iterations * content.recipe.batch - stage.images, 0.0

        def report(iteration: int, row: dict[str, float]) -> bool:
            nonlocal reported, reported_at
            if time.monotonic() - reported_at < TELL_SECONDS and iteration < content.iterations:
                return True
            reported_at = time.monotonic()
            images, loss = iteration * content.recipe.batch, row.get("loss")
            go_on = watch.tell(
                Event(kind="progress", unit=unit.id, label=unit.label, images=images - reported, loss=loss)
            )
            reported = images
            return go_on

        curve = pretrainer.run(Continued(stage, store), report)
    if pretrainer.iteration < content.iterations:
        raise StageInterruptedError(f"interrupted at iteration {pretrainer.iteration} of {content.iterations}")
    if workers.rank > 0:
        return
    rows = [{**row, "phase": content.tune, "stage": stage.id} for row in curve.table]
    files = {
        WEIGHTS: checkpoints.to_bytes(pretrainer.backbone),
        CURVES: packed(to_table(rows, results.CURVES)),
    } | ({STATE: pretrainer.end} if pretrainer.end else {})
    trained = sum(value.numel() for value in pretrainer.backbone.parameters() if value.requires_grad)
    _finish(stage, store, files, workers, began, curve, trained)


def _pretrainer(stage: PretrainingStage, store: Store, workers: Workers) -> Pretrainer:
    content = stage.content
    data = stage_data(stage)
    backbone = build(content.backbone, content.seed, content.image_size, data.channels)
    if content.init and (content.tune == "keep" or not stage.continues):
        checkpoints.load(backbone, checkpoints.from_bytes(store.weights(content.init)), threshold=1.0)
    return Pretrainer(
        content.recipe,
        backbone,
        data,
        iterations=content.iterations,
        image_size=content.image_size,
        seed=content.seed,
        tune=content.tune,
        precision=content.precision,
        compile=content.compile,
        workers=workers,
    )


def _import_weights(stage: WeightsStage, store: Store) -> None:
    began = time.perf_counter()
    backbone = build(stage.content.backbone, 0, stage.content.image_size)
    audit = load_weights(backbone, stage.source, store.weights)
    _finish(stage, store, {WEIGHTS: checkpoints.to_bytes(backbone)}, Workers(), began, audit=audit)


def _interpolate(stage: InterpolationStage, store: Store, workers: Workers) -> None:
    began, content = time.perf_counter(), stage.content
    data = stage_data(stage)
    network = build(content.backbone, 0, content.image_size, data.channels)
    checkpoints.load(network, checkpoints.from_bytes(store.weights(content.start)), threshold=1.0)
    start = {name: tensor.clone() for name, tensor in checkpoints.tensors(network).items()}
    checkpoints.load(network, checkpoints.from_bytes(store.weights(content.end)), threshold=1.0)
    interpolate(network, start, content.weight)
    if 0 < content.weight < 1:
        re_estimate_statistics(network, data, content.image_size, workers.device)
    _finish(stage, store, {WEIGHTS: checkpoints.to_bytes(network)}, workers, began)


def _evaluate(stage: EvaluationStage, store: Store, workers: Workers, warm: dict[str, Subject]) -> None:
    content = stage.content
    began = time.perf_counter()
    key = f"{content.weights} {content.init} {content.data}"
    if key not in warm:
        warm.clear()
        data = stage_data(stage)
        backbone = build(content.backbone, content.init or 0, content.image_size, data.channels)
        if content.weights:
            checkpoints.load(backbone, checkpoints.from_bytes(store.weights(content.weights)), threshold=1.0)
        warm[key] = Subject(backbone, data, content.image_size, workers.device, content.precision, content.metric)
    subject = warm[key]
    answers = load("probes", content.probe)(subject, **content.options)
    files = {
        RESULTS: packed(to_table(measured(subject, name_of(content.probe), answers), results.STAGE_RESULTS)),
        PREDICTIONS: packed(from_columns(predictions(subject, name_of(content.probe), answers), results.PREDICTIONS)),
    }
    _finish(stage, store, files, workers, began, chosen=(answer.chosen for answer in answers))


def packed(rows: pa.Table) -> bytes:
    """The Parquet file of a stage's table."""
    return parquet(occupied(rows))


def _finish(
    stage: Stage,
    store: Store,
    files: dict[str, bytes],
    workers: Workers,
    began: float,
    curve: Curve | None = None,
    trained: int | None = None,
    audit: Audit | None = None,
    chosen: Iterable[dict[str, Any]] = (),
) -> None:
    """Write a stage to the store.

    Args:
        began: when this attempt began, by ``time.perf_counter``.
        curve: of a pretraining, with its training time over all attempts. trained: how many weights it trained.
    """
    wall_seconds = time.perf_counter() - began
    own_seconds = curve.seconds - curve.seconds_before if curve else 0.0
    record = StageRecord(
        seconds=curve.seconds if curve else wall_seconds,
        work_seconds=max(wall_seconds, own_seconds),
        images=stage.content.iterations * stage.content.recipe.batch if stage.kind == "pretrain" else 0,
        device=device.describe(workers.device),
        versions=machine.versions(),
        workers=workers.size,
        trained=trained,
        audit=audit.model_dump(mode="json") if audit else None,
        chosen=tuple(chosen),
    )
    store.finish(stage.id, files, record, stage.model_dump(mode="json"))


def reason_of(error: Exception) -> str:
    """The reason why a stage failed, in one line."""
    return str(error) if isinstance(error, StudyError) else user_code.reason(error).split("\n", 1)[0]
