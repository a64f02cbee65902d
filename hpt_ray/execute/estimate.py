"""The cost of a plan before anything runs: time from measured rates, disk space from the size of the files."""

from __future__ import annotations

import inspect

from hpt_ray.core import machine, registry
from hpt_ray.core.layout import Demand, Node, layout
from hpt_ray.core.values import Frozen
from hpt_ray.execute.prepare import Prepared
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.planning.stage import EvaluationStage, PretrainingStage, Stage
from hpt_ray.planning.trunks import Sharing, is_trunk, sharing
from hpt_ray.spec.grid import tested_on
from hpt_ray.spec.recipe import Optimizer
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import outline
from hpt_ray.training.device import gpus
from hpt_ray.training.footprint import demand
from hpt_ray.training.loop.rate import MOCO_PASSES, gpu_hours, images_per_second, passes_per_second

#: Decoding, starting Ray and its groups, collecting and writing the report (measured on two cores).
FIXED_SECONDS = 25.0
#: An evaluation without its passes through the network: the mean of a linear probe and kNN at the quick scale.
EVALUATION_SECONDS = 1.0
#: What a trunk keeps for those that go on from it, in weights: the network, one that follows it, and two moments.
STATE_WEIGHTS = 4
#: Moments of the size of the weights that an optimiser keeps.
MOMENTS: dict[Optimizer, int] = {"sgd": 1, "adamw": 2, "lars": 1}
#: At most this many finished stages of a kind are read to learn how long one takes.
SAMPLE = 8
#: A plan that takes longer also gets an estimate for GPUs.
LONG_SECONDS = 12 * 3600.0


class Estimate(Frozen):
    """The estimated cost of a plan.

    Attributes:
        cached, to_run: numbers of stages that are finished and that are not.
        images: number of images to train on. sharing: what of them budgets share; None: nothing.
        seconds: wall time on this machine. bytes: of the store. cache: bytes of data in the cache of each machine.
        rate: images per second of one slot, 0 if nothing is trained. measured_by: where the rate comes from.
        gpu_hours: on a V100, for a plan that takes long on this machine; else None.
    """

    cached: int
    to_run: int
    images: int
    sharing: Sharing | None
    seconds: float
    bytes: int
    cache: int
    rate: float
    measured_by: str
    slots: int
    gpu_hours: float | None


def estimate(prepared: Prepared, store: Store | None, workers: int) -> Estimate:
    """Estimate from the plan's finished stages, and for work of which none is finished, from a few real iterations.

    Args:
        store: None: no stage is finished. workers: processes that share each stage.
    """
    plan = prepared.plan
    finished = (store.finished() if store else set()) & set(plan.stages)
    units = plan.units(without=finished)
    waiting = [stage for stage in plan.stages.values() if stage.id not in finished]
    training = [stage for stage in waiting if stage.kind == "pretrain"]
    here = Node(cores=machine.cores(), gpus=gpus())
    slots = layout([here], max(1, len(units)), workers=workers).slots
    known = _recorded(plan, store, finished) if store else {}
    rate, measured_by = 0.0, "nothing to train"
    if training and known.get("pretrain"):
        rate, measured_by = 1 / known["pretrain"], "finished stages"
    elif training:
        rate, measured_by = _measure(prepared, training[0]), "a test here"
    images = sum(stage.images for stage in training)
    passes = _passes(units, prepared)
    evaluating = [stage for stage in waiting if stage.kind == "evaluate"]
    untimed = [stage for stage in evaluating if stage.id in passes and _work(stage) not in known]
    a_pass = _a_pass(prepared, untimed[0]) if untimed else 0.0

    def seconds_of(stage: Stage) -> float:
        if stage.kind == "pretrain":
            return stage.images / rate
        return known.get(_work(stage), EVALUATION_SECONDS + passes.get(stage.id, 0) * a_pass)

    total, ends = 0.0, dict[str | None, float]()
    for unit in units:  # parents come before children
        seconds_of_unit = sum(map(seconds_of, unit.stages))
        total += seconds_of_unit
        ends[unit.id] = ends.get(unit.needs, 0.0) + seconds_of_unit
    seconds = FIXED_SECONDS + max(total / slots, *ends.values()) if units else 3.0
    weights = outline(plan.study.backbone, plan.study.image_size).state_dict()
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    states = STATE_WEIGHTS * size * sum(map(is_trunk, training))
    averages = sum(stage.kind == "interpolate" for stage in waiting)
    disk = (len(training) + averages) * (size + 20_000) + states + len(waiting) * 12_000 + 6_000_000
    return Estimate(
        cached=len(finished),
        to_run=len(waiting),
        images=images,
        sharing=sharing(plan.stages.values(), finished),
        seconds=seconds,
        bytes=disk,
        cache=sum(data.cached_bytes for data in prepared.datasets.values()),
        rate=rate,
        measured_by=measured_by,
        slots=slots,
        gpu_hours=gpu_hours(images * MOCO_PASSES + sum(passes.values()), plan.study.backbone, plan.study.image_size)
        if seconds > LONG_SECONDS
        else None,
    )


def demand_of(prepared: Prepared) -> Demand:
    """What the largest pretraining of a plan asks of a GPU; images that stay encoded are never resident."""
    study = prepared.plan.study
    recipes = [stage.content.recipe for stage in prepared.plan.stages.values() if stage.kind == "pretrain"]
    return demand(
        study.backbone,
        study.image_size,
        batch=max((recipe.batch for recipe in recipes), default=1),
        group=max((recipe.group for recipe in recipes), default=1),
        resident=max(getattr(data.images, "nbytes", 0) for data in prepared.datasets.values()),
        channels=max(data.channels for data in prepared.datasets.values()),
        moments=max((MOMENTS[recipe.optimizer] for recipe in recipes), default=1),
    )


def _work(stage: Stage) -> str:
    """The kind of work of a stage: stages of one kind take equally long, in total or per image."""
    if stage.kind != "evaluate":
        return stage.kind
    return f"{stage.content.probe} {stage.content.options} {stage.content.data}"


def _recorded(plan: Plan, store: Store, finished: set[str]) -> dict[str, float]:
    """Seconds of a finished stage, or of an image of a pretraining, by kind of work."""
    samples: dict[str, list[tuple[float, int]]] = {}
    for stage in [stage for stage in plan.stages.values() if stage.id in finished]:
        alike = samples.setdefault(_work(stage), [])
        if len(alike) < SAMPLE and (record := store.record(stage.id)):
            alike.append((record.seconds, record.images or 1))
    totals = {work: tuple(map(sum, zip(*alike, strict=True))) for work, alike in samples.items() if alike}
    return {work: seconds / images for work, (seconds, images) in totals.items()}


def _passes(units: list[Unit], prepared: Prepared) -> dict[str, int]:
    """How many forward passes of an image each evaluation takes; the first of a unit on a data set extracts the frozen
    features."""
    passes, probes, features = dict[str, int](), dict[str, int](), dict[str | None, int]()
    for spec in tested_on(prepared.plan.study):
        features[spec] = sum(map(len, prepared.datasets[spec].evaluation().values()))
    for unit in units:
        extracted = set[str]()
        for stage in (stage for stage in unit.stages if stage.kind == "evaluate"):
            work = _work(stage)
            if work not in probes:
                probes[work] = _of_probe(stage, prepared)
            passes[stage.id] = probes[work] + (0 if stage.data in extracted else features[stage.data])
            extracted.add(stage.data)
    return passes


def _of_probe(stage: EvaluationStage, prepared: Prepared) -> int:
    probe = registry.module("probes", stage.content.probe)
    if not hasattr(probe, "passes"):
        return 0
    arguments = inspect.signature(probe.probe).bind(None, **stage.content.options)
    arguments.apply_defaults()
    return int(probe.passes(prepared.datasets[stage.data], arguments.arguments))


def _a_pass(prepared: Prepared, stage: EvaluationStage) -> float:
    content, data = stage.content, prepared.datasets[stage.data]
    return 1 / passes_per_second(content.backbone, data, content.image_size, content.precision)


def _measure(prepared: Prepared, stage: PretrainingStage) -> float:
    content, data = stage.content, prepared.datasets[stage.data]
    return images_per_second(content.recipe, content.backbone, data, content.image_size, content.precision)
