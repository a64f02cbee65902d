"""The facts that a decoded data set's folder in the cache stores beside its arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from hpt_ray.core.values import Frozen

FACTS = "facts.json"

#: Raised where some images are read in another way than before, which then have another fingerprint as well: a
#: folder in the cache is known by its files alone.
DECODER = 1


class Facts(Frozen):
    """As ``dataset.Dataset`` has them; ``forms`` is how many images have which channels and depth; ``reading`` is how
    values of more than 8 bits were read, None where there are none. ``decoder``: the version of what made the pixels.
    No field has a default: a folder of an earlier version, which lacks one or has another decoder, is decoded
    again."""

    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    excluded: int
    given: tuple[str, ...]
    forms: Annotated[dict[str, int], Field(min_length=1)]
    reading: Any
    remarks: tuple[str, ...]
    decoder: Literal[1]


def read(folder: Path) -> Facts:
    """The facts in a folder. Raises OSError, or ValueError where they are damaged or lack something."""
    return Facts.model_validate_json((folder / FACTS).read_bytes())
