"""From a study to its plan on this machine: data decoded, every name checked."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from hpt_ray.analysis.measures import colour
from hpt_ray.core import registry
from hpt_ray.data import cache, dataset, inventory, leakage, preparing
from hpt_ray.data.channel_count import of_other_data
from hpt_ray.data.evaluable import check_metric, check_retained
from hpt_ray.data.pixels import ARRAYS
from hpt_ray.data.records import source
from hpt_ray.execute import rounds
from hpt_ray.execute.trunks import continued
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.unfold import make_plan
from hpt_ray.report import dashboard
from hpt_ray.spec.grid import data_of, recipes_of, tested_on
from hpt_ray.spec.optimisation import told
from hpt_ray.spec.study import Pretraining, Study, Weights
from hpt_ray.store.store import Store
from hpt_ray.training import backbone, compiler, distillation, stem
from hpt_ray.training.convolution_check import check_convolutions
from hpt_ray.training.device import hardware
from hpt_ray.training.group_check import check_group
from hpt_ray.training.loop.batches import pretraining_indices
from hpt_ray.training.loop.groups import layer_rates
from hpt_ray.training.method import find as find_method
from hpt_ray.training.probe import check_data, check_options
from hpt_ray.training.weights.sources import check_weights


@dataclass(frozen=True)
class Prepared:
    """A plan and its data sets by name or path; the plan of a search includes an estimate of its later rounds.

    ``notes`` are those that the report has, too.
    """

    plan: Plan
    datasets: dict[str, dataset.Dataset]
    notes: tuple[str, ...] = ()

    @property
    def fingerprints(self) -> dict[str, str]:
        """The fingerprints of the data sets, by name or path."""
        return {spec: data.fingerprint for spec, data in self.datasets.items()}


def with_precision(study: Study, runner: str, address: str | None = None, gpus: int | None = None) -> Study:
    """The study with precision ``auto`` resolved for where stages will run: it is part of their identity.

    It is the backend's ``precision(address, gpus)`` if it defines that, else what this machine computes with.

    Args:
        runner, address, gpus: as in ``run.run``.

    Raises:
        StudyError: if a cluster does not answer, or has nothing to run stages on.
    """
    if study.precision != "auto":
        return study
    ask = getattr(registry.module("backends", runner), "precision", None)
    precision = ask(address, gpus) if ask else hardware(gpus != 0).precision
    return study.model_copy(update={"precision": precision})


def prepare(study: Study, store: Store, progress: Callable[[str, int, int], None] | None = None) -> Prepared:
    """Check everything that can be checked before anything is trained, and make the plan.

    Args:
        study: with its precision, see ``with_precision``.
        store: where weights named ``stage:ID`` are read; nothing is written to it.
        progress: called with (data set, images decoded, images) while data is decoded for the first time.

    Raises:
        StudyError: for data, weights, a backbone, method, probe or batch that does not fit.
    """
    dashboard.find(study)
    backbone.check(study.backbone, study.image_size)
    if study.compile:
        compiler.check()
    for evaluation in study.evaluations:
        check_options(evaluation)
    check_convolutions(study.backbone, study.image_size, study.precision)
    recipes, notes_on_weights, channels_of_weights = recipes_of(study), list[str](), dict[str, int]()
    for recipe in recipes:
        if isinstance(recipe, Weights):
            checked = check_weights(study, recipe, store.weights)
            notes_on_weights += checked.notes
            channels_of_weights[recipe.source] = checked.channels
        else:
            method = find_method(recipe.method)
            options = method.options(recipe.options)
            method.check(options, recipe.batch)
            method.check_backbone(options, backbone.outline(study.backbone, study.image_size), study.image_size)
            check_group(recipe, study.backbone, study.image_size)
            if recipe.layer_decay < 1:
                layer_rates(backbone.outline(study.backbone, study.image_size), recipe.layer_decay)
    distillation.check(study)
    datasets = _datasets(study, progress)
    tests = tuple(datasets[spec] for spec in tested_on(study))
    datasets = {spec: dataclasses.replace(data, apart=tests) for spec, data in datasets.items()}
    for recipe in recipes:
        if isinstance(recipe, Pretraining):
            supervised = find_method(recipe.method).supervised
            for spec in [recipe.data] if recipe.data else study.targets:
                pretraining_indices(recipe, datasets[spec], 0, supervised)  # raises if there are too few
    check_metric(study.name, study.metric, {spec: datasets[spec] for spec in tested_on(study)})
    if study.retained and study.retained.data:
        check_retained(study.name, datasets[study.retained.data], [datasets[target] for target in study.targets])
    for evaluation, target in itertools.product(study.evaluations, study.targets):
        check_data(evaluation, datasets[evaluation.data or target])
    plan = rounds.foreseen(study, datasets, store) if study.search else make_plan(study, datasets)
    plan = continued(plan, store)
    for channels in {data.channels for data in datasets.values()}:
        backbone.check_channels(study.backbone, study.image_size, channels)
    on_stems = stem.notes(study, datasets, channels_of_weights)
    on_colour = colour.notes(study, {data.name: data.channels for data in datasets.values()})
    optimised = [told(recipe) for recipe in recipes if isinstance(recipe, Pretraining)]
    notes_on_optimisers = list(dict.fromkeys(note for note in optimised if note))
    plan.notes = [
        *notes_on_weights,
        *notes_on_optimisers,
        *inventory.lines(datasets.values()),
        *leakage.remarks(datasets.values()),
    ]
    plan.notes += [*on_stems, *on_colour]
    return Prepared(plan, datasets, tuple(on_stems))


def _datasets(study: Study, progress: Callable[[str, int, int], None] | None) -> dict[str, dataset.Dataset]:
    """The data sets of a study; what is not in the cache yet is decoded, if there is room for all of it."""
    preparations = {}
    for spec in data_of(study):
        rule = study.groups if spec in study.targets else None
        channels = study.channels if spec in study.targets else of_other_data(source(spec), study.channels)
        preparations[spec] = preparing.preparation(spec, study.decode_size, rule, study.pixels, channels)
    if study.pixels == "encoded" and any(preparation.source.folder for preparation in preparations.values()):
        # A base of drawn images has no files to stay in, which is no reason to refuse the user's own.
        for spec, preparation in preparations.items():
            if not preparation.source.folder:
                preparations[spec] = dataclasses.replace(preparation, pixels="resident", why=ARRAYS)
    missing = sum(preparation.missing for preparation in preparations.values())
    cache.check_room(
        missing, f"the data of study {study.name}", ", or write pixels=auto to leave images in their files"
    )
    return {
        spec: dataset.loaded(preparation, functools.partial(progress, spec) if progress else None)
        for spec, preparation in preparations.items()
    }


def with_results(prepared: Prepared, store: Store) -> Prepared:
    """The same with the plan for a report: of a search, the part that follows from the results and failures so far."""
    study = prepared.plan.study
    if study.search is None:
        return prepared
    return dataclasses.replace(prepared, plan=rounds.known(study, prepared.datasets, store))
