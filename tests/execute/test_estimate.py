"""What a plan is said to take, against sums by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from hpt_ray.execute import estimate as module
from hpt_ray.execute.estimate import EVALUATION_SECONDS, FIXED_SECONDS, estimate
from hpt_ray.execute.prepare import Prepared
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import Stage
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.study import Evaluation, Study
from hpt_ray.store.records import StageRecord
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.rate import MOCO_PASSES, gpu_hours
from hpt_ray.training.probe import TRAINED, Subject
from hpt_ray.training.probes import finetune, sgd
from tests.support import small
from tests.support.records import stage_record

#: Seconds of an image of pretraining, and of each evaluation that is on record.
IMAGE, LINEAR, KNN = 0.01, 2.0, 0.5
LABELLED = 20


@dataclass
class Recorded:
    """A store that has records of some stages and nothing else."""

    stages: list[Stage] = field(default_factory=list)

    def finished(self) -> set[str]:
        return {stage.id for stage in self.stages}

    def record(self, stage: str) -> StageRecord:
        (own,) = [other for other in self.stages if other.id == stage]
        seconds = {"linear": LINEAR, "knn": KNN}.get(getattr(own.content, "probe", ""), IMAGE * own.images)
        return stage_record(seconds=seconds, images=own.images)


def prepared(**changes: Any) -> Prepared:
    study: Study = small.study(**changes)
    data = {spec: small.dataset(spec) for spec in data_of(study)}
    return Prepared(make_plan(study, data), data)


def of(seed: int, plan: Plan) -> Iterable[Stage]:
    """The stages of a seed's cells."""
    cells = [cell for cell in plan.cells if cell.seed in (seed, None)]
    used = set(itertools.chain(*((*cell.phases, *cell.evaluations, *cell.step0) for cell in cells)))
    return [stage for stage in plan.stages.values() if stage.id in used]


@pytest.fixture(params=[1, 1000])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module.machine, "cores", lambda: request.param)
    monkeypatch.setattr(module, "gpus", lambda: 0)
    return int(request.param)


def test_what_the_store_has_says_how_long_its_like_takes(cores: int) -> None:
    made = prepared(seeds=(0, 1))
    told = estimate(made, Recorded(list(of(0, made.plan))), workers=1)  # type: ignore[arg-type]
    # Seed 1: two iterations of 16 images by three arms under two policies, each evaluated, and random features.
    assert (told.rate, told.images, told.to_run) == (pytest.approx(1 / IMAGE), 6 * 32, 6 + 2 * 6 + 2)
    unit = 32 * IMAGE + LINEAR + KNN
    wanted = unit if cores > 1 else 6 * unit + LINEAR + KNN
    assert told.seconds == pytest.approx(FIXED_SECONDS + wanted)


def test_side_by_side_takes_as_long_as_the_longest_chain(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "images_per_second", lambda *_: 1 / IMAGE)
    monkeypatch.setattr(module, "passes_per_second", lambda *_: 10.0)
    told = estimate(prepared(arms=("base>target",), factors=()), None, workers=1)
    probes = 2 * EVALUATION_SECONDS + LABELLED / 10  # the features of twenty images, once for both probes
    assert told.seconds == pytest.approx(FIXED_SECONDS + (48 + 32) * IMAGE + 2 * probes)


def test_training_on_labels_costs_its_passes(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "passes_per_second", lambda *_: 10.0)
    monkeypatch.setattr(module, "images_per_second", lambda *_: 1 / IMAGE)
    given = {"arms": ("base",), "factors": (), "seeds": (0,)}
    seconds = {}
    for iterations in (40, 80):
        evaluations = (Evaluation(probe="finetune", options={"iterations": iterations, "batch": 8, "labels": 4}),)
        seconds[iterations] = estimate(prepared(evaluations=evaluations, **given), None, workers=1).seconds
    # Two learning rates for the whole budget and a quarter of it, four images at a time, before and after the base.
    more = TRAINED * 2 * (40 + 10) * 4 / 10
    assert seconds[80] - seconds[40] == pytest.approx(more if cores > 1 else 2 * more)


@pytest.mark.parametrize(
    ("probe", "options"),
    [
        (sgd, {"iterations": 7, "batch": 5, "repeats": 2, "lr": 0.1}),
        (sgd, {"iterations": 3, "batch": 500, "repeats": 1, "lr": 0.1}),
        (finetune, {"iterations": 9, "batch": 5, "repeats": 2, "labels": 0}),
        (finetune, {"iterations": 4, "batch": 500, "repeats": 1, "labels": 6}),
    ],
)
def test_a_probes_passes_are_those_that_it_makes(
    probe: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for fine-tuning's predictions of val and test, which are few."""
    data = small.dataset("synthetic:shape")
    subject = Subject(build("resnet_small", 0, 16), data, 16, torch.device("cpu"))
    assert subject.features  # are counted apart
    seen = {True: 0, False: 0}

    def count(network: Any, inputs: tuple[Any, ...]) -> None:
        seen[network.training] += len(inputs[0])

    subject.backbone.register_forward_pre_hook(count)
    probe.probe(subject, **options)
    measured = 1  # the image from which the SGD probe learns how many fit at once
    assert probe.passes(data, options) == (seen[False] - measured if probe is sgd else TRAINED * seen[True])


def test_hours_of_a_v100_are_the_published_ones() -> None:
    """MoCo-v2 on ImageNet, 200 epochs: 53 hours on eight (README of facebookresearch/moco)."""
    hours = gpu_hours(MOCO_PASSES * 200 * 1_281_167, "resnet50", 224)
    assert hours == pytest.approx(53 * 8, rel=0.01)
