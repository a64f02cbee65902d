"""From a study to its plan on this machine: precision resolved, data decoded, every name known to exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hpt_ray import dataset
from hpt_ray.errors import DataError
from hpt_ray.plan import Plan, data_of, make_plan
from hpt_ray.registry import load
from hpt_ray.study import Pretraining, Study
from hpt_ray.training.device import resolve_precision
from hpt_ray.training.method import Method


@dataclass(frozen=True)
class Prepared:
    """A plan and the data sets it was made from, by name or path."""

    plan: Plan
    datasets: dict[str, dataset.Dataset]


def prepare(study: Study, progress: Callable[[str, int, int], None] | None = None) -> Prepared:
    """Check everything that can be checked before anything is trained, and make the plan.

    Args:
        progress: called with (data set, images decoded, images) while data is decoded for the first time.

    Raises:
        StudyError: one line for whatever does not fit: data, weights, backbone, method, probe, batch.
    """
    load("backbones", study.backbone)
    for evaluation in study.evaluations:
        load("probes", evaluation.probe)
    datasets = {}
    for spec in data_of(study):

        def report(done: int, total: int, spec: str = spec) -> None:
            if progress:
                progress(spec, done, total)

        datasets[spec] = dataset.load(spec, study.decode_size, progress=report)
    for role in {phase.role for arm in study.arms for phase in arm.phases}:
        recipe = study.recipes[role]
        if isinstance(recipe, Pretraining):
            method: type[Method] = load("methods", recipe.method)
            method.check(method.options(recipe.options), recipe.batch)
            for spec in [recipe.data] if recipe.data else study.targets:
                available = len(datasets[spec].pretraining())
                if available < recipe.batch:
                    raise DataError(
                        f"data set {spec} has {available} images to pretrain on, fewer than a batch of {recipe.batch}: "
                        f"use more images or a smaller batch (--set batch=...)."
                    )
    resolved = study.model_copy(update={"precision": resolve_precision(study.precision)})
    return Prepared(make_plan(resolved, datasets), datasets)
