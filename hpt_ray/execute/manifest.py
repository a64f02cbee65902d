"""What a run records about itself, so that it can be read, compared and repeated."""

from __future__ import annotations

import shlex

from hpt_ray.data import inventory
from hpt_ray.data.dataset import Dataset
from hpt_ray.execute.overlap import shared
from hpt_ray.execute.stored import StoredPlan
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.study import Study
from hpt_ray.store.files import public
from hpt_ray.store.records import DataSummary
from hpt_ray.training.backbone import outline
from hpt_ray.training.normalisation import describe


def reproduce_command(study: Study, store: str, name: str | None = None) -> str:
    """The command that repeats a study.

    Args:
        name: the name or path that the study was made from; None: its own name. The name alone could be that of
            another, built-in study.
    """
    parts = ["hpt-study", "run", name or study.name]
    for setting, value in study.parameters.items():
        shown = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        parts += ["--set", f"{setting}={shown}"]
    return shlex.join([*parts, *([] if store == "hpt-store" else ["--store", public(store)])])


def reader_notes(study: Study) -> list[str]:
    """What a reader of the report should know about how the study was run."""
    adapted = any(phase.tune == "bn" for arm in study.arms for phase in arm.phases)
    note = describe(outline(study.backbone, study.image_size)) if adapted else None
    return [note] if note else []


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


def plan_json(plan: Plan) -> bytes:
    """A plan, stage by stage and cell by cell, as JSON."""
    stages, cells = tuple(plan.stages.values()), tuple(plan.cells)
    return (
        StoredPlan.model_construct(id=plan.id, study=plan.study, stages=stages, cells=cells, basis=plan.basis)
        .model_dump_json(indent=1)
        .encode()
    )
