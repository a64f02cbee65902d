"""Stages: the units of work with an identity, which is the hash of their content."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.identity import VERSIONS, content_id, file_hash
from hpt_ray.core.metric import chosen
from hpt_ray.core.registry import code_hash, name_of
from hpt_ray.core.values import Frozen, later
from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.content import EvaluationContent, InterpolationContent, PretrainingContent, WeightsContent
from hpt_ray.spec.arm import Tune
from hpt_ray.spec.schedule import check_warmup
from hpt_ray.spec.study import Evaluation, Pretraining, Study, Weights
from hpt_ray.spec.weights_source import WeightSource


class _Stage(Frozen):
    """What all kinds of stages have in common.

    Attributes:
        id: the hash of the stage's content.
        needs: the stage whose weights this one starts from or evaluates, if any.
        label: the first cell that needed this stage, in words.
        images: number of images to train on, for estimates of time.
        groups: the rules by which the images of its data sets are grouped, by data set, as ``data`` and ``apart`` name
            them; their effect is in the fingerprints.
        encoded: those of its data sets whose pixels stay encoded; that is in the fingerprints, too.
        channels: which are read of those of its data sets of which not red, green and blue are; in the fingerprints.
    """

    model_config = ConfigDict(extra="ignore")  # earlier versions wrote the fields of all kinds

    id: str
    level: int
    needs: str | None = None
    label: str = ""
    images: int = 0
    groups: dict[str, str] = Field(default_factory=dict)
    encoded: tuple[str, ...] = ()
    channels: dict[str, Channels] = Field(default_factory=dict)

    @property
    def parents(self) -> tuple[str, ...]:
        """The stages whose weights this one is computed from, the last first."""
        return () if self.needs is None else (self.needs,)


class PretrainingStage(_Stage):
    """A pretraining phase.

    Attributes:
        data: the data set's name or path as the user wrote it; its fingerprint is in ``content``.
        decode_size: side in pixels at which its images are stored.
        apart: the data sets whose test images are left out of ``data``; empty if it contains none of them.
        continues: the stage whose training it goes on with, from all of its state; None: it starts from weights.
    """

    kind: Literal["pretrain"] = "pretrain"
    content: PretrainingContent
    data: str
    decode_size: int
    apart: tuple[str, ...] = ()
    continues: str | None = later(None)

    @property
    def parents(self) -> tuple[str, ...]:
        """A stage that keeps features needs the weights that it starts from, also where it goes on with a training."""
        kept = self.content.init if self.content.tune == "keep" else None
        return tuple(dict.fromkeys((*super().parents, *([kept] if kept else []))))


class WeightsStage(_Stage):
    """Weights from a file, a download or another stage."""

    kind: Literal["weights"] = "weights"
    content: WeightsContent
    source: WeightSource


class InterpolationStage(_Stage):
    """The average of the end of a pretraining phase, which it ``needs``, and of its start.

    Attributes:
        data: the target's name or path as the user wrote it; its fingerprint is in ``content``.
        decode_size: side in pixels at which its images are stored.
    """

    kind: Literal["interpolate"] = "interpolate"
    content: InterpolationContent
    data: str
    decode_size: int

    @property
    def parents(self) -> tuple[str, ...]:
        return (self.content.end, self.content.start)


class EvaluationStage(_Stage):
    """An evaluation of weights on ``data``, the data set's name or path as the user wrote it."""

    kind: Literal["evaluate"] = "evaluate"
    content: EvaluationContent
    data: str
    decode_size: int


#: One unit of work with an identity.
Stage = Annotated[PretrainingStage | WeightsStage | InterpolationStage | EvaluationStage, Field(discriminator="kind")]


def identity(content: PretrainingContent | WeightsContent | InterpolationContent | EvaluationContent) -> str:
    """The hash of a content, in which a Python file stands by its name and its ``code``, wherever it lies."""
    names: dict[str, Any] = {"backbone": name_of(content.backbone)}
    if isinstance(content, PretrainingContent):
        method = name_of(content.recipe.method)
        names["recipe"] = content.recipe.model_copy(update={"method": method})
    elif isinstance(content, EvaluationContent):
        names |= {"probe": name_of(content.probe), "metric": name_of(content.metric)}
    return content_id(content.model_copy(update=names))


def pretraining_stage(
    study: Study, recipe: Pretraining, tune: Tune, spec: str, data: Dataset, seed: int, parent: Stage | None
) -> PretrainingStage:
    """The stage of a pretraining phase, from a parent's weights or from random initialisation.

    Args:
        spec: the data set as the user wrote it. data: the same, loaded.

    Raises:
        StudyError: for a warm-up that does not fit into the iterations.
    """
    apart = data.apart if data.without else ()
    iterations = recipe.iterations if parent else recipe.iterations_from_scratch or recipe.iterations
    check_warmup(recipe, iterations)
    content = PretrainingContent(
        version=VERSIONS["pretrain"],
        backbone=study.backbone,
        image_size=study.image_size,
        precision=study.precision,
        tune=tune,
        recipe=recipe.recipe_for(tune),
        iterations=iterations,
        seed=seed,
        data=data.fingerprint,
        init=parent.id if parent else None,
        without=data.without,
        code=code_hash(("backbones", study.backbone), ("methods", recipe.method)),
        compile=study.compile,
    )
    return PretrainingStage(
        id=identity(content),
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=spec,
        decode_size=study.decode_size,
        images=iterations * recipe.batch,
        apart=tuple(other.spec for other in apart),
        **_reading(data, *apart),
    )


def weights_stage(study: Study, recipe: Weights) -> WeightsStage:
    """The stage of weights that are imported.

    Raises:
        WeightsError: if a checkpoint file is missing.
    """
    source = WeightSource.parse(recipe.source)
    source.check_exists()
    content = WeightsContent(
        version=VERSIONS["weights"],
        backbone=study.backbone,
        image_size=study.image_size,
        source=file_hash(source.path) if source.origin == "file" else source.address,
        place=source.place,
        code=code_hash(("backbones", study.backbone)),
    )
    return WeightsStage(id=identity(content), level=0, content=content, source=source)


def interpolation_stage(
    study: Study, weight: float, start: Stage, end: Stage, spec: str, data: Dataset
) -> InterpolationStage:
    """The stage that averages the start and the end of a pretraining phase.

    Args:
        weight: of the end. spec: the data set of the phase as the user wrote it. data: the same, loaded.
    """
    content = InterpolationContent(
        version=VERSIONS["interpolate"],
        backbone=study.backbone,
        image_size=study.image_size,
        weight=weight,
        start=start.id,
        end=end.id,
        data=data.fingerprint,
        code=code_hash(("backbones", study.backbone)),
    )
    return InterpolationStage(
        id=identity(content),
        level=end.level + 1,
        content=content,
        needs=end.id,
        data=spec,
        decode_size=study.decode_size,
        **_reading(data),
    )


def evaluation_stage(
    study: Study, evaluation: Evaluation, weights: Stage | int, spec: str, data: Dataset
) -> EvaluationStage:
    """The stage that evaluates weights on a data set.

    Args:
        weights: the stage whose weights are evaluated, or the seed of a random initialisation.
        spec: the data set as the user wrote it. data: the same, loaded.
    """
    metric = chosen(study.metric, data.multilabel)
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
        code=code_hash(("backbones", study.backbone), ("probes", evaluation.probe), ("metrics", metric)),
    )
    return EvaluationStage(
        id=identity(content),
        level=parent.level + 1 if parent else 0,
        content=content,
        needs=parent.id if parent else None,
        data=spec,
        decode_size=study.decode_size,
        **_reading(data),
    )


def _reading(*datasets: Dataset) -> dict[str, Any]:
    """How some data sets are read: the rules by which their images are grouped, which stay encoded, which channels."""
    return {
        "groups": {data.spec: data.groups.rule for data in datasets if data.groups is not None and data.groups.rule},
        "encoded": tuple(dict.fromkeys(data.spec for data in datasets if data.pixels == "encoded")),
        "channels": {data.spec: data.channels_read for data in datasets if data.channels_read != RGB},
    }
