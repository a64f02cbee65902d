"""Stages: the units of work with an identity, and what makes up the identity of each kind.

Inside: whatever can change the numbers. Outside: workers, devices, paths, storage, threads, labels.
"""

from __future__ import annotations

from typing import Any, Literal

from hpt_ray.core.errors import WeightsError
from hpt_ray.core.identity import VERSIONS, content_id, file_hash
from hpt_ray.core.paths import path_of
from hpt_ray.core.values import Frozen
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.study import Evaluation, Pretraining, Study, Weights
from hpt_ray.spec.weights_source import split

Kind = Literal["pretrain", "weights", "evaluate"]


class Stage(Frozen):
    """One unit of work with an identity.

    Attributes:
        content: everything that can change the numbers; ``id`` is its hash.
        needs: the stage whose weights this one starts from or evaluates, if any.
        data: the data set's name or path as the user wrote it; its fingerprint is in ``content``.
        label: the first cell that asked for this stage, for people.
        images: images to train on, for estimates.
        apart: the data sets whose test images are left out of ``data``, where it has any: what is left out is in
            ``content``.
    """

    id: str
    kind: Kind
    level: int
    content: dict[str, Any]
    needs: str | None = None
    data: str | None = None
    decode_size: int = 0
    source: str | None = None
    label: str = ""
    images: int = 0
    apart: tuple[str, ...] = ()


def pretrain(
    study: Study, recipe: Pretraining, tune: str, spec: str, data: Dataset, seed: int, parent: Stage | None
) -> Stage:
    """A phase of pretraining, from a parent's weights or from random initialisation."""
    iterations = recipe.iterations if parent else recipe.iterations_from_scratch or recipe.iterations
    varying = {"data", "seed", "iterations", "iterations_from_scratch"}
    content = {
        "kind": "pretrain",
        "version": VERSIONS["pretrain"],
        "backbone": study.backbone,
        "image_size": study.image_size,
        "precision": study.precision,
        "tune": tune,
        "recipe": recipe.model_dump(mode="json", exclude=varying),
        "iterations": iterations,
        "seed": seed,
        "data": data.fingerprint,
        "init": parent.id if parent else None,
    }
    if data.without:  # where all may be seen the ids stay as they were
        content["without"] = data.without
    return Stage(
        id=content_id(content),
        kind="pretrain",
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=spec,
        decode_size=study.decode_size,
        images=iterations * recipe.batch,
        apart=tuple(other.spec for other in data.apart) if data.without else (),
    )


def given(study: Study, recipe: Weights) -> Stage:
    """Weights that are given.

    Raises:
        WeightsError: if a checkpoint file is missing.
    """
    name, place = split(recipe.source)
    path = path_of(name)
    is_file = ":" not in name or path.exists()
    if is_file and not path.is_file():
        raise WeightsError(
            f"no checkpoint at {path}: give a file, weights:torchvision:NAME, weights:timm:NAME or weights:stage:ID."
        )
    content = {
        "kind": "weights",
        "version": VERSIONS["weights"],
        "backbone": study.backbone,
        "image_size": study.image_size,  # a vision transformer's position embeddings are fitted to it
        "source": file_hash(path) if is_file else name,
    }
    if place is not None:  # without one the ids stay as they were
        content["place"] = place
    return Stage(id=content_id(content), kind="weights", level=0, content=content, source=recipe.source)


def evaluate(study: Study, evaluation: Evaluation, weights: Stage | int, target: str, data: Dataset) -> Stage:
    """The evaluation of a stage's weights, or of the random initialisation of a seed, on a target."""
    parent = weights if isinstance(weights, Stage) else None
    content = {
        "kind": "evaluate",
        "version": VERSIONS["evaluate"],
        "probe": evaluation.probe,
        "options": evaluation.options,
        "backbone": study.backbone,
        "image_size": study.image_size,
        "precision": study.precision,  # of what a probe trains; features are float32
        "data": data.fingerprint,
        "weights": parent.id if parent else None,
        "init": None if parent else weights,
    }
    if data.metric != "accuracy":  # which needs no saying: the ids of single-label data stay as they were
        content["metric"] = data.metric
    return Stage(
        id=content_id(content),
        kind="evaluate",
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=target,
        decode_size=study.decode_size,
    )
