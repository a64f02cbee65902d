"""Stages: the units of work with an identity, and what makes up the identity of each kind.

Inside the content: whatever can change the numbers. Outside: workers, devices, paths, storage, threads, labels.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from hpt_ray.core.errors import WeightsError
from hpt_ray.core.identity import VERSIONS, content_id, file_hash
from hpt_ray.core.metric import UNSAID, chosen
from hpt_ray.core.registry import code_hash
from hpt_ray.core.values import Frozen
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.study import Evaluation, Precision, Pretraining, Study, Tune, Weights
from hpt_ray.spec.weights_source import WeightSource


def _later(default: Any) -> Any:
    """A field of content that a later version added: at its default it is left out, so that earlier ids hold."""
    return Field(default=default, exclude_if=lambda value: value == default)


class PretrainingContent(Frozen):
    """What the weights of a pretraining phase follow from.

    Attributes:
        version: of the code of this kind of stage. data: the fingerprint of its data set.
        init: the id of the stage whose weights it starts from; None: from random initialisation.
        without: the id of the images that are left out of the data set; None where all may be seen.
        code: a hash of the Python files that it names by path; None where it names none.
    """

    kind: Literal["pretrain"] = "pretrain"
    version: int
    backbone: str
    image_size: int
    precision: Precision
    tune: Tune
    recipe: Recipe
    iterations: int
    seed: int
    data: str
    init: str | None
    without: str | None = _later(None)
    code: str | None = _later(None)


class WeightsContent(Frozen):
    """What given weights are: the hash of their file or the name they are published by, and the place in the file."""

    kind: Literal["weights"] = "weights"
    version: int
    backbone: str
    image_size: int  # a vision transformer's position embeddings are fitted to it
    source: str
    place: str | None = _later(None)


class EvaluationContent(Frozen):
    """What the answers of an evaluation follow from.

    Attributes:
        version: of the code of this kind of stage. data: the fingerprint of its data set.
        precision: of what a probe trains; features are float32.
        weights: the id of the stage whose weights are evaluated; None: those of the random initialisation ``init``.
        init: the seed of that initialisation; None where ``weights`` are evaluated.
        metric: by name or path: val chooses by it, and test is measured by it.
        code: a hash of the Python files that it names by path; None where it names none.
    """

    kind: Literal["evaluate"] = "evaluate"
    version: int
    probe: str
    options: dict[str, float | int]
    backbone: str
    image_size: int
    precision: Precision
    data: str
    weights: str | None
    init: int | None
    metric: str = _later(UNSAID)
    code: str | None = _later(None)


class _Stage(Frozen):
    """What stages of every kind have.

    Attributes:
        id: the hash of the stage's content.
        needs: the stage whose weights this one starts from or evaluates, if any.
        label: the first cell that asked for this stage, for people.
        images: images to train on, for estimates.
    """

    model_config = ConfigDict(extra="ignore")  # earlier versions wrote the fields of all kinds

    id: str
    level: int
    needs: str | None = None
    label: str = ""
    images: int = 0


class PretrainingStage(_Stage):
    """A phase of pretraining.

    Attributes:
        data: the data set's name or path as the user wrote it; its fingerprint is in ``content``.
        apart: the data sets whose test images are left out of ``data``, where it has any.
    """

    kind: Literal["pretrain"] = "pretrain"
    content: PretrainingContent
    data: str
    decode_size: int
    apart: tuple[str, ...] = ()


class WeightsStage(_Stage):
    """Weights that are given, by ``source`` as the user wrote it."""

    kind: Literal["weights"] = "weights"
    content: WeightsContent
    source: str


class EvaluationStage(_Stage):
    """An evaluation of weights on ``data``, the data set's name or path as the user wrote it."""

    kind: Literal["evaluate"] = "evaluate"
    content: EvaluationContent
    data: str
    decode_size: int


#: One unit of work with an identity.
Stage = Annotated[PretrainingStage | WeightsStage | EvaluationStage, Field(discriminator="kind")]


def pretrain(
    study: Study, recipe: Pretraining, tune: Tune, spec: str, data: Dataset, seed: int, parent: Stage | None
) -> PretrainingStage:
    """A phase of pretraining, from a parent's weights or from random initialisation."""
    iterations = recipe.iterations if parent else recipe.iterations_from_scratch or recipe.iterations
    content = PretrainingContent(
        version=VERSIONS["pretrain"],
        backbone=study.backbone,
        image_size=study.image_size,
        precision=study.precision,
        tune=tune,
        recipe=recipe.recipe,
        iterations=iterations,
        seed=seed,
        data=data.fingerprint,
        init=parent.id if parent else None,
        without=data.without,
        code=code_hash(study.backbone, recipe.method),
    )
    return PretrainingStage(
        id=content_id(content),
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=spec,
        decode_size=study.decode_size,
        images=iterations * recipe.batch,
        apart=tuple(other.spec for other in data.apart) if data.without else (),
    )


def given(study: Study, recipe: Weights) -> WeightsStage:
    """Weights that are given.

    Raises:
        WeightsError: if a checkpoint file is missing.
    """
    source = WeightSource.parse(recipe.source)
    if source.origin == "file" and not source.path.is_file():
        raise WeightsError(
            f"no checkpoint at {source.path}: give a file, weights:torchvision:NAME, weights:timm:NAME or "
            "weights:stage:ID."
        )
    content = WeightsContent(
        version=VERSIONS["weights"],
        backbone=study.backbone,
        image_size=study.image_size,
        source=file_hash(source.path) if source.origin == "file" else source.address,
        place=source.place,
    )
    return WeightsStage(id=content_id(content), level=0, content=content, source=recipe.source)


def evaluate(study: Study, evaluation: Evaluation, weights: Stage | int, target: str, data: Dataset) -> EvaluationStage:
    """The evaluation of a stage's weights, or of the random initialisation of a seed, on a target."""
    metric = chosen(study.metric, data.several)
    parent, init = (None, weights) if isinstance(weights, int) else (weights, None)
    content = EvaluationContent(
        version=VERSIONS["evaluate"],
        probe=evaluation.probe,
        options=evaluation.options,
        backbone=study.backbone,
        image_size=study.image_size,
        precision=study.precision,
        data=data.fingerprint,
        weights=parent.id if parent else None,
        init=init,
        metric=metric,
        code=code_hash(study.backbone, evaluation.probe, metric),
    )
    return EvaluationStage(
        id=content_id(content),
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=target,
        decode_size=study.decode_size,
    )
