"""What a run records about itself, so that it can be read, compared and repeated."""

from __future__ import annotations

import base64
import datetime
import io
import re
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hpt_ray.core import machine
from hpt_ray.core.errors import StudyError
from hpt_ray.core.paths import path_of
from hpt_ray.data import inventory
from hpt_ray.data.dataset import Dataset
from hpt_ray.data.duplicates import near
from hpt_ray.data.leakage import copies
from hpt_ray.data.patterns import is_pattern
from hpt_ray.data.picture import for_a_reader
from hpt_ray.execute.prepare import Prepared
from hpt_ray.execute.stored import StoredPlan
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.study import Study
from hpt_ray.store.files import public
from hpt_ray.store.records import DataSummary, Looks, Manifest, Shared
from hpt_ray.store.screening import Screening
from hpt_ray.training.backbone import outline
from hpt_ray.training.normalisation import batch_norms, describe

#: Number of pairs to show, and the longest side of their pictures in pixels.
EXAMPLES, SIDE = 6, 48


def reproduce_command(study: Study, store: str, runner: str, until_decided: int | None = None) -> str:
    """The shell command that repeats a study, from whatever folder: it first enters the one that relative paths in it
    start from. "" for a study that was made by no study function.

    Args:
        until_decided: of a run that grows until it is decided, to how many seeds at most.
    """
    if study.made_from is None:
        return ""
    more = ["--until-decided", "--max-seeds", str(until_decided)] if until_decided else []
    return _command(["run", study.made_from], study.parameters, more, store, runner)


def advise_command(study: Study, store: str, runner: str, budget: float | None) -> str:
    """The shell command that repeats an advice, as ``reproduce_command``.

    Args:
        study: that of all candidates, with its parameters. budget: in seconds.
    """
    settings = dict(study.parameters)
    target, bases = (_text(settings.pop(name, ())) for name in ("target", "base"))
    more = [*(["--bases", bases] if bases else []), *([] if budget is None else ["--budget", f"{budget:g}s"])]
    return _command(["advise", target], settings, more, store, runner)


def _command(start: list[str], settings: Mapping[str, Any], more: list[str], store: str, runner: str) -> str:
    values = {name: _text(value) for name, value in settings.items()}
    parts = ["hpt-study", *start]
    for name, value in values.items():
        parts += ["--set", f"{name}={value}"]
    parts += more
    parts += [] if runner == "ray" else ["--runner", runner]
    parts += [] if store == "hpt-store" else ["--store", public(store)]
    elsewhere = store == "hpt-store" or "://" in store or path_of(store).is_absolute()  # it may not exist yet
    relative = not elsewhere or any(map(_is_relative, [*start, *values.values(), *more, runner]))
    enter = f"cd {shlex.quote(str(path_of('.').absolute()))} && " if relative else ""
    return enter + shlex.join(parts)


def _text(value: Any) -> str:
    """A parameter as it is typed."""
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _is_relative(value: str) -> bool:
    """Whether a value names something by a path that starts from the folder in which the command runs."""
    parts = [part for part in re.split("[,:=#]", value) if part]
    try:
        places = [path_of(part) for part in parts]
        return any(not place.is_absolute() and place.exists() for place in places) or (
            is_pattern(value) and not places[0].is_absolute()
        )
    except StudyError:  # too long to be a path
        return False


def begun_manifest(
    prepared: Prepared,
    plan: Plan,
    started: datetime.datetime,
    command: str,
    cached: int,
    looks: Looks | None,
    looked_at: tuple[int, ...],
    screening: Screening | None,
) -> Manifest:
    """The manifest of a run that begins.

    Args:
        plan: as far as it is known. command: that repeats the run. cached, looks, looked_at, screening: as in the
            manifest.
    """
    return Manifest(
        study=plan.study,
        plan_id=plan.id,
        command=command,
        versions=machine.versions(),
        hardware=machine.hardware(),
        started=started.isoformat(timespec="seconds"),
        datasets={spec: summarize(data) for spec, data in prepared.datasets.items()},
        notes=(*reader_notes(plan.study), *prepared.notes),
        cached=cached,
        looks=looks,
        looked_at=looked_at,
        screening=screening,
    )


def reader_notes(study: Study) -> list[str]:
    """What a reader of the report should know about how the study was run."""
    phases = [phase for arm in study.arms for phase in arm.phases]
    adapted, averaged = (any(phase.tune == "bn" for phase in phases), any(phase.weight is not None for phase in phases))
    if not adapted and not averaged:
        return []
    network = outline(study.backbone, study.image_size)
    notes = [describe(network) if adapted else None]
    if averaged and not batch_norms(network):
        notes.append("The backbone has no batch norm, so an average of weights has no statistics to estimate again.")
    return [note for note in notes if note]


def summarize(data: Dataset) -> DataSummary:
    """A data set in numbers."""
    return DataSummary(
        name=data.name,
        **{split: len(indices) for split, indices in data.splits.items()},
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        fingerprint=data.fingerprint,
        excluded=data.excluded,
        found=tuple(inventory.lines([data])),
        shared=tuple(shared(data, target) for target in data.apart),
    )


def shared(data: Dataset, target: Dataset) -> Shared:
    """What a data set has in common with the test images of a target, which may be the data set itself."""
    same, test = data.fingerprint == target.fingerprint, target.splits["test"]
    # A target's probes learn from all of its train split, also from images that pretraining leaves out.
    remaining = data.pool if same else np.setdiff1d(data.pool, data.left_out)
    pairs = near(target.perceptual[test], data.perceptual[remaining])
    nearest = pairs[np.argsort(np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]), kind="stable")]
    _, first = np.unique(nearest[:, 0], return_index=True)  # a test image is shown once
    return Shared(
        target=target.name,
        test=len(test),
        copies=data.excluded if same else copies(data, target),
        near=int(np.isin(target.perceptual[test], pairs[:, 0]).sum()),
        images=int(np.isin(data.perceptual[remaining], pairs[:, 1]).sum()),
        examples=tuple(
            (_picture(target, test, one), _picture(data, remaining, other))
            for one, other in nearest[np.sort(first)[:EXAMPLES]]
        ),
    )


def _picture(data: Dataset, among: npt.NDArray[np.int64], perceptual: np.uint64) -> str:
    """The first of these images with this perceptual hash, as a PNG in base64."""
    index = among[np.argmax(data.perceptual[among] == perceptual)]
    image = for_a_reader(data.images[index])
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def plan_json(plan: Plan) -> bytes:
    """A plan, stage by stage and cell by cell, as JSON."""
    stages, cells = tuple(plan.stages.values()), tuple(plan.cells)
    return (
        StoredPlan.model_construct(id=plan.id, study=plan.study, stages=stages, cells=cells, basis=plan.basis)
        .model_dump_json(indent=1)
        .encode()
    )
