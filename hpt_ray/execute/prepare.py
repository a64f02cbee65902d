"""From a study to its plan on this machine: precision resolved, data decoded, every name checked.

The plan of a search grows with its results: its work comes in rounds, and its report describes the final plan.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import get_type_hints

from pydantic import TypeAdapter, ValidationError

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError, explain
from hpt_ray.core.metric import chosen, find
from hpt_ray.core.registry import load
from hpt_ray.data import dataset, inventory, leakage
from hpt_ray.execute.collect import score
from hpt_ray.execute.worker import load_weights
from hpt_ray.planning.plan import Plan, Unit, make_plan
from hpt_ray.planning.search import unfold
from hpt_ray.planning.stage import weights_stage
from hpt_ray.report import dashboard
from hpt_ray.spec.grid import data_of, recipes_of
from hpt_ray.spec.study import Evaluation, Pretraining, Study, Weights
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.store.store import Store
from hpt_ray.training import backbone
from hpt_ray.training.device import resolve_precision
from hpt_ray.training.group_check import check_group
from hpt_ray.training.loop.batches import pretraining_indices
from hpt_ray.training.method import find as find_method
from hpt_ray.training.weights import audit
from hpt_ray.training.weights.formats import format_of


@dataclass(frozen=True)
class Prepared:
    """A plan and its data sets by name or path; the plan of a search includes an estimate of its later rounds."""

    plan: Plan
    datasets: dict[str, dataset.Dataset]


def prepare(study: Study, store: Store, progress: Callable[[str, int, int], None] | None = None) -> Prepared:
    """Check everything that can be checked before anything is trained, and make the plan.

    Args:
        store: where weights named ``stage:ID`` are read; nothing is written to it.
        progress: called with (data set, images decoded, images) while data is decoded for the first time.

    Raises:
        StudyError: for data, weights, a backbone, method, probe or batch that does not fit.
    """
    dashboard.find(study)
    backbone.check(study.backbone, study.image_size)
    for evaluation in study.evaluations:
        _check_options(evaluation)
    recipes, notes_on_weights = recipes_of(study), list[str]()
    for recipe in recipes:
        if isinstance(recipe, Weights):
            notes_on_weights += _check_weights(study, recipe, store)
        else:
            method = find_method(recipe.method)
            method.check(method.options(recipe.options), recipe.batch)
            check_group(recipe, study.backbone, study.image_size)
    datasets: dict[str, dataset.Dataset] = {}
    for spec in data_of(study):

        def report(done: int, total: int, spec: str = spec) -> None:
            if progress:
                progress(spec, done, total)

        datasets[spec] = dataset.load(spec, study.decode_size, progress=report)
    tests = tuple(datasets[target] for target in study.targets)
    datasets = {spec: dataclasses.replace(data, apart=tests) for spec, data in datasets.items()}
    for recipe in recipes:
        if isinstance(recipe, Pretraining):
            supervised = find_method(recipe.method).supervised
            for spec in [recipe.data] if recipe.data else study.targets:
                pretraining_indices(recipe, datasets[spec], 0, supervised)  # raises if there are too few
    _check_metrics(study, datasets)
    for evaluation, target in itertools.product(study.evaluations, study.targets):
        _check_data(evaluation, datasets[target])
    resolved = study.model_copy(update={"precision": resolve_precision(study.precision)})
    if study.search is not None:
        plan = unfold(resolved, datasets, score(store, lambda stage: False)).plan
    else:
        plan = make_plan(resolved, datasets)
    plan.notes = [*notes_on_weights, *inventory.lines(datasets.values()), *leakage.remarks(datasets.values())]
    return Prepared(plan, datasets)


def rounds(prepared: Prepared, store: Store) -> Iterator[tuple[Plan, list[Unit]]]:
    """The units left to run, round by round, each with the plan at that time.

    A study has one round, a search several. A backend requests the next round when every unit of the previous one has
    ended. A unit that ended without a result has failed; the next run tries it again.
    """
    study = prepared.plan.study
    if study.search is None:
        if units := prepared.plan.units(without=store.finished()):
            yield prepared.plan, units
        return
    queued: set[str] = set()
    while True:
        known = unfold(study, prepared.datasets, score(store, queued.__contains__))
        left = known.ready.units(without=store.finished())
        units = [unit for unit in left if not queued.issuperset(stage.id for stage in unit.stages)]
        if not units:
            return
        queued |= {stage.id for unit in units for stage in unit.stages}
        yield known.plan, units


def with_results(prepared: Prepared, store: Store) -> Prepared:
    """The same with the plan for a report: of a search, the part that follows from the results and failures so far."""
    study = prepared.plan.study
    if study.search is None:
        return prepared
    known = unfold(study, prepared.datasets, score(store, lambda stage: store.failure(stage) is not None))
    return dataclasses.replace(prepared, plan=known.ready)


def _check_options(evaluation: Evaluation) -> None:
    """Refuse options that the probe does not have, and values that the annotations of its signature exclude."""
    what = f"evaluation {evaluation.name!r}"
    probe = load("probes", evaluation.probe)
    signature = inspect.signature(probe)
    try:
        signature.bind(None, **evaluation.options)
        hints = get_type_hints(probe, include_extras=True)
        for name in [name for name in evaluation.options if name in hints]:
            # Strict, as the probe gets the value unchanged: 100.0 is not an integer.
            TypeAdapter(hints[name]).validate_python(evaluation.options[name], strict=True)
    except (TypeError, NameError) as error:
        raise StudyError(f"{what}: {error}; its options: {_options(signature)}.") from error
    except ValidationError as error:
        raise StudyError(f"{what}: {name}={evaluation.options[name]}: {explain(error)}.") from error


def _check_metrics(study: Study, datasets: dict[str, dataset.Dataset]) -> None:
    """Refuse a metric that needs other labels than a target has, and targets that are measured differently: nothing
    could be said across them, nor on one axis."""
    kinds = {False: "one label per image", True: "several labels per image"}
    first = study.targets[0]
    for target in study.targets:
        several = datasets[target].several
        metric = find(chosen(study.metric, several))
        if metric.several != several:
            raise StudyError(
                f"study {study.name}: metric {metric.name} needs {kinds[metric.several]}, and target {target} has "
                f"{kinds[several]}: leave metric out, or choose another one."
            )
        if several != datasets[first].several:
            raise StudyError(
                f"study {study.name}: target {first} has {kinds[not several]} and {target} has {kinds[several]}, which "
                "are measured differently: give them a study each."
            )


def _check_data(evaluation: Evaluation, data: dataset.Dataset) -> None:
    """Refuse options that do not fit a target, where the probe has a way to tell."""
    check = getattr(registry.module("probes", evaluation.probe), "check", None)
    if check is not None:
        check(data, evaluation.options)


def _options(signature: inspect.Signature) -> str:
    return ", ".join(list(signature.parameters)[1:]) or "none"


def _check_weights(study: Study, recipe: Weights, store: Store) -> list[str]:
    """Load weights once, if they need no download, and return notes on what is loaded of them.

    A checkpoint that does not fit is refused here, before anything is trained. Downloads are left to their stage.
    """
    source = WeightSource.parse(recipe.source)
    if source.origin == "file" and source.path.is_file():
        format_of(source.path, source.address)  # before the whole file is hashed
    weights_stage(study, recipe)  # raises if the file is missing
    if source.published:
        return [f"weights {recipe.source}: downloaded when they are needed; the report says what is taken over."]
    network = backbone.outline(study.backbone, study.image_size)
    return audit.lines(recipe.source, load_weights(network, recipe.source, store))
