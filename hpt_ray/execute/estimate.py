"""What a plan will cost, before anything runs: time from a measured rate, disk from the size of what is written."""

from __future__ import annotations

from typing import Any

from hpt_ray.execute import machine
from hpt_ray.execute.prepare import Prepared
from hpt_ray.plan import Plan
from hpt_ray.policy import Frozen
from hpt_ray.stage import Stage
from hpt_ray.store import Store
from hpt_ray.study import Pretraining
from hpt_ray.training.backbone import outline
from hpt_ray.training.device import gpus
from hpt_ray.training.rate import gpu_hours, images_per_second

#: Decoding, starting Ray and its groups, collecting and writing the report (measured on two cores).
FIXED_SECONDS = 20.0
EVALUATION_SECONDS = 1.0
#: A plan of more than this is for GPUs.
LONG_SECONDS = 12 * 3600.0


class Estimate(Frozen):
    """``rate`` is images per second of one slot, 0 where nothing trains; ``source`` says where it is from.

    ``gpu_hours`` are of a V100, for a plan that is long here; else None.
    """

    cached: int
    to_run: int
    images: int
    seconds: float
    bytes: int
    rate: float
    source: str
    slots: int
    gpu_hours: float | None


def estimate(prepared: Prepared, store: Store | None, workers: int) -> Estimate:
    """From the plan's finished stages if there are any, else from a few real iterations here."""
    plan = prepared.plan
    finished = (store.finished() if store else set()) & set(plan.stages)
    units = plan.units(without=finished)
    waiting = [stage for stage in plan.stages.values() if stage.id not in finished]
    training = [stage for stage in waiting if stage.kind == "pretrain"]
    slots = machine.layout(machine.cores(), gpus(), max(1, len(units)), workers=workers).slots
    rate, source = 0.0, "nothing to train"
    if training:
        known = _recorded(plan, store, finished) if store else []
        rate, source = (
            (sum(known) / len(known), "finished stages") if known else (_measure(prepared, training[0]), "a test here")
        )
    images = sum(stage.images for stage in training)
    probes = len([stage for stage in waiting if stage.kind == "evaluate"]) * EVALUATION_SECONDS / slots
    longest = max((unit.images for unit in units), default=0)
    seconds = FIXED_SECONDS + probes + max(images / slots, longest) / rate if units and training else 3.0 + probes
    weights = outline(plan.study.backbone, plan.study.image_size).state_dict()
    size = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    disk = len(training) * (size + 20_000) + len(waiting) * 12_000 + 6_000_000
    return Estimate(
        cached=len(finished),
        to_run=len(waiting),
        images=images,
        seconds=seconds,
        bytes=disk,
        rate=rate,
        source=source,
        slots=slots,
        gpu_hours=gpu_hours(images, plan.study.backbone, plan.study.image_size) if seconds > LONG_SECONDS else None,
    )


def _recorded(plan: Plan, store: Store, finished: set[str]) -> list[float]:
    rates = []
    for stage in finished:
        record: dict[str, Any] | None = store.record(stage) if plan.stages[stage].kind == "pretrain" else None
        if record and record["seconds"] > 0:
            rates.append(record["images"] / record["seconds"])
    return rates


def _measure(prepared: Prepared, stage: Stage) -> float:
    content = stage.content
    assert stage.data is not None
    recipe = Pretraining.model_validate({**content["recipe"], "iterations": content["iterations"]})
    data = prepared.datasets[stage.data]
    return images_per_second(recipe, content["backbone"], data, content["image_size"], content["precision"])
