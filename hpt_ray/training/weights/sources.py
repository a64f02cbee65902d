"""Where the weights of a study come from: a finished stage of a store, a checkpoint file or a download."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import WeightsError
from hpt_ray.spec.study import Study, Weights
from hpt_ray.spec.weights_source import WeightSource
from hpt_ray.training import stem
from hpt_ray.training.backbone import Backbone, outline
from hpt_ray.training.weights import audit, checkpoints
from hpt_ray.training.weights.exported import Provenance, provenance
from hpt_ray.training.weights.formats import format_of
from hpt_ray.training.weights.matching import NEARLY
from hpt_ray.training.weights.places import match
from hpt_ray.training.weights.recognition import recognise
from hpt_ray.training.weights.translation import translate

#: Reads the weights of a finished stage, given its id, as safetensors.
StageWeights = Callable[[str], bytes]


def load_weights(backbone: Backbone, source: WeightSource, stage_weights: StageWeights) -> audit.Audit:
    """Load weights from ``stage:ID``, a file, or ``torchvision:NAME`` or ``timm:NAME`` (which may be downloaded).

    Weights for images of another number of channels keep their first layer: the backbone gets it. A phase that starts
    from them adapts it to its images.

    Raises:
        WeightsError: as ``checkpoints.read`` and ``checkpoints.load`` do, with the name of the source.
    """
    of_stage = source.origin == "stage"
    state = checkpoints.from_bytes(stage_weights(source.name)) if of_stage else checkpoints.read(source)
    try:
        expected = checkpoints.tensors(backbone)
        file = translate(expected, state).file
        for key in match(expected, file, source.place).adapted.values():
            stem.rebuild(backbone, file[key].shape[1], source.address)
        return checkpoints.load(backbone, state, place=source.place)
    except WeightsError as error:  # a study may have several sources
        raise WeightsError(f"{source.address}: {error}") from error


class Checked(NamedTuple):
    """Given weights that would load: notes on what is loaded, and the channels of the images that they are made for."""

    notes: list[str]
    channels: int


def check_weights(study: Study, recipe: Weights, stage_weights: StageWeights) -> Checked:
    """Load weights once, if they need no download.

    Downloads are left to their stage.

    Raises:
        WeightsError: for a checkpoint that is missing or does not fit, before anything is trained.
    """
    source = WeightSource.parse(recipe.source)
    source.check_exists()
    if source.origin == "file":
        format_of(source.path, source.address)  # before the whole file is read
    if source.published:
        notes = [f"weights {source}: downloaded when they are needed; the report says what is taken over."]
        return Checked(notes, RGB)
    network = outline(study.backbone, study.image_size)
    try:
        notes = audit.lines(str(source), load_weights(network, source, stage_weights))
    except WeightsError as error:
        name, share = recognise(checkpoints.read(source), source.place) if source.origin == "file" else ("", 0.0)
        if share < NEARLY or name == study.backbone:
            raise
        raise WeightsError(f"{error} The file looks like {name}: set backbone={name}.") from error
    channels = stem.channels_of(network.state_dict())
    if channels != RGB:
        notes.append(f"weights {source}: made for images of {channels} channel{'s' if channels > 1 else ''}.")
    about = provenance(source.path, source.address) if source.origin == "file" else None
    return Checked(notes if about is None else [*notes, _origin(source, about)], channels)


def _origin(source: WeightSource, about: Provenance) -> str:
    """Which study exported a file, and that another normalisation of images may hold here."""
    mean, std = (", ".join(f"{value:.3f}" for value in values) for values in (about.mean, about.std))
    return (
        f"weights {source}: exported from run {about.run}, arm {about.arm}, stage {about.stage}. Its images were "
        f"normalised by mean {mean} and std {std}; here each data set is normalised by its own, as always."
    )
