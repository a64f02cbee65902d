"""Files of weights that leave a store: what they say of where they come from, and the network in one.

A ``.safetensors`` file has that under ``hpt_ray`` in its metadata, as JSON. A ``.pth`` file is an ``OrderedDict`` of
tensors, as torch's ``state_dict`` is, and has it where torch keeps what is no tensor: ``state._metadata["hpt_ray"]``.
Strict loading ignores both.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from pydantic import ConfigDict, ValidationError
from torch import Tensor, nn

from hpt_ray.core.errors import WeightsError, explain
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.weights.formats import format_of

KEY = "hpt_ray"


class Provenance(Frozen):
    """Where exported weights come from, and how the images that they are given must look.

    Attributes:
        study, run: the study, and the name of its run. target: the data set on which the study evaluated them.
        arm: as a chain, such as ``base>target``. levels: of the factors that the arm depends on. seed: None where it
            depends on none.
        stage, parents: the id of the stage that made them, and of those before it, the first phase first.
        method: of the last pretraining; None of weights that were given. backbone: by its name in the study.
        image_size: side of the views in pixels. decode_size: side of the squares that these are the centre of.
        mean, std: of each channel, on a scale from 0 to 1: the target's, by which the study normalised its images.
        data: the fingerprint of each data set of the study, by its name.
        chosen: why these weights. verdict: what the study says on the target.
        versions: of the packages that can change a number.
    """

    model_config = ConfigDict(extra="ignore")

    study: str
    run: str
    target: str
    arm: str
    levels: dict[str, str]
    seed: int | None
    stage: str
    parents: tuple[str, ...]
    method: str | None
    backbone: str
    image_size: int
    decode_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    data: dict[str, str]
    chosen: str
    verdict: str
    versions: dict[str, str]


class Pretrained(nn.Module):
    """A pretrained network in eval mode, without a classifier.

    Attributes:
        mean, std: by which its images are normalised, on a scale from 0 to 1. image_size: their side in pixels.
        dim: number of its features. provenance: where its weights come from.
    """

    def __init__(self, network: Backbone, provenance: Provenance) -> None:
        super().__init__()
        self.network, self.provenance, self.dim = network, provenance, network.dim
        self.mean, self.std, self.image_size = provenance.mean, provenance.std, provenance.image_size
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [n, channels, image_size, image_size] -> features [n, dim]."""
        features: Tensor = self.network(images)
        return features


def to_bytes(state: Mapping[str, Tensor], provenance: Provenance, suffix: str) -> bytes:
    """The content of a file of weights with this suffix: ``.pth`` or ``.safetensors``."""
    about = provenance.model_dump_json()
    if suffix == ".pth":
        ordered = OrderedDict(state)
        ordered._metadata = {KEY: about}  # type: ignore[attr-defined]  # as torch does
        file = io.BytesIO()
        torch.save(ordered, file)
        return file.getvalue()
    data: bytes = safetensors.torch.save(dict(state), {"format": "pt", KEY: about})
    return data


def provenance(path: Path, source: str) -> Provenance | None:
    """Where the weights in a file come from; None if hpt-study did not export it.

    Args:
        source: what errors call the file.

    Raises:
        WeightsError: for what is no checkpoint, and for a file whose provenance is not as hpt-study writes it.
    """
    about = None
    if format_of(path, source) == "safetensors":
        with safetensors.safe_open(path, "pt") as file:
            about = (file.metadata() or {}).get(KEY)
    else:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception:  # of another origin: reading its tensors says what is wrong with it
            return None
        metadata = getattr(content, "_metadata", None)
        about = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    if about is None:
        return None
    try:
        return Provenance.model_validate_json(about)
    except ValidationError as error:
        raise WeightsError(f"{source} was not exported by this version ({explain(error)}): export it again.") from error
