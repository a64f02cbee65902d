"""A study small enough to unfold or to run in a test, and data sets that need no decoding."""

from __future__ import annotations

from typing import Any

import numpy as np

from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Evaluation, Factor, Pretraining, Study

BASE, TARGET = "synthetic:objects,n=80", "synthetic:shape,n=80"
ARMS = ("target", "base", "base>target", "base>target:bn")
LEVELS = {"baseline": Policy(), "crop_only": Policy().without("color_jitter", "grayscale", "blur", "flip")}


def recipe(**changes: Any) -> Pretraining:
    """Two iterations of a global batch of 16 in two groups."""
    given = {"iterations": 2, "batch": 16, "group": 8, "options": {"queue": 32, "dim": 8}}
    return Pretraining.model_validate(given | changes)


def policy_factor(levels: dict[str, Policy] | None = None) -> Factor:
    return Factor(name="policy", field="policy", levels=LEVELS if levels is None else levels, baseline="baseline")


def study(**changes: Any) -> Study:
    """Four arms x two policies x one seed, evaluated by two probes, on the smallest network."""
    given: dict[str, Any] = {
        "name": "small",
        "question": "Does it hold together?",
        "arms": ARMS,
        "targets": (TARGET,),
        "recipes": {"base": recipe(data=BASE, seed=0, iterations=3), "target": recipe()},
        "factors": (policy_factor(),),
        "seeds": (0,),
        "evaluations": (Evaluation(probe="linear"), Evaluation(probe="knn")),
        "backbone": "resnet_small",
        "image_size": 16,
        "decode_size": 16,
        "precision": "float32",
    }
    return Study(**given | changes)


def dataset(spec: str, fingerprint: str | None = None, labelled: bool = True) -> Dataset:
    """Twenty labelled images of no content, for plans: a plan asks only for the fingerprint and the labels."""
    place = np.arange(20) % 5
    splits = {"train": place < 3, "val": place == 3, "test": place == 4}
    return Dataset(
        spec=spec,
        name=spec,
        size=16,
        images=np.zeros((20, 3, 16, 16), np.uint8),
        sizes=np.full((20, 2), 16, np.int32),
        labels=np.arange(20) % 2 if labelled else np.full(20, -1),
        splits={name: np.flatnonzero(chosen) for name, chosen in splits.items()},
        classes=("a", "b") if labelled else (),
        hashes=np.array([f"{i:032x}".encode() for i in range(20)]),
        perceptual=np.arange(20, dtype=np.uint64),
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        fingerprint=fingerprint or f"content of {spec}",
        excluded=0,
    )


def plan(made: Study | None = None, **fingerprints: str) -> Plan:
    """The plan of a study on data sets without decoding; fingerprints by the name before the colon."""
    made = made or study()
    return make_plan(made, {spec: dataset(spec, fingerprints.get(spec)) for spec in data_of(made)})
