"""How a user names weights: a file, ``torchvision:NAME``, ``timm:NAME`` or ``stage:ID``, and a place in it after ``#``.

``moco.pth#state_dict/encoder_rgb.`` is the network whose tensors' names begin with that, in a file that holds several.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ModelWrapValidatorHandler, model_serializer, model_validator

from hpt_ray.core.errors import WeightsError
from hpt_ray.core.paths import path_of
from hpt_ray.core.registry import names
from hpt_ray.core.values import Frozen

Origin = Literal["file", "torchvision", "timm", "stage"]

#: Suffixes of files that hold weights, and of those that hold data.
CHECKPOINTS = (".pt", ".pth", ".tar", ".ckpt", ".torch", ".bin", ".pkl", ".safetensors")
DATA = (".txt", ".csv", ".tsv", ".json", ".jsonl", ".parquet", ".py")


class WeightSource(Frozen):
    """Where weights are from, taken apart once; JSON has it as the user wrote it.

    Attributes:
        text: the source as the user wrote it. address: the same without its place.
        name: a path, a network's name in its library, or the id of a stage.
        place: what the tensors' names begin with; None where no place is given.
    """

    text: str
    address: str
    origin: Origin
    name: str
    place: str | None = None

    @classmethod
    def parse(cls, text: str) -> WeightSource:
        """Take a source apart. A file that exists comes first, whatever its name looks like.

        Raises:
            StudyError: for a path that cannot be looked at.
        """
        address, place = text, None
        if "#" in text and not path_of(text).exists():
            address, _, place = text.rpartition("#")
        prefix, _, rest = address.partition(":")
        for origin in get_args(Origin):
            if prefix == origin != "file" and rest and not path_of(address).exists():
                return cls(text=text, address=address, origin=origin, name=rest, place=place)
        return cls(text=text, address=address, origin="file", name=address, place=place)

    @model_validator(mode="wrap")
    @classmethod
    def _from_text(cls, value: Any, handler: ModelWrapValidatorHandler[WeightSource]) -> WeightSource:
        return cls.parse(value) if isinstance(value, str) else handler(value)

    @model_serializer(when_used="json")
    def __str__(self) -> str:
        return self.text

    @property
    def published(self) -> bool:
        """Whether a library publishes the weights, so that they may have to be downloaded."""
        return self.origin in ("torchvision", "timm")

    @property
    def path(self) -> Path:
        """Where the file is, if the source is one."""
        return path_of(self.name)

    def check_exists(self) -> None:
        """Raise WeightsError for a file that is not there."""
        if self.origin == "file" and not self.path.is_file():
            raise WeightsError(
                f"no checkpoint at {self.path}: give a file, weights:torchvision:NAME, weights:timm:NAME or "
                "weights:stage:ID."
            )


def is_given(base: str) -> bool:
    """Whether a base is weights that are loaded, and no data set to pretrain on."""
    return base.startswith("weights:") or is_checkpoint(WeightSource.parse(base).address)


def is_checkpoint(name: str) -> bool:
    """Whether a base is weights: by its suffix, or a file that is no data set, as many checkpoints have no suffix."""
    suffix = Path(name).suffix.lower()
    if name.partition(":")[0] in names("datasets") or suffix in DATA:
        return False
    return suffix in CHECKPOINTS or path_of(name).is_file()
