"""What a decoded data set's folder in the cache says of it, beside its arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpt_ray.core.values import Frozen

FACTS = "facts.json"


class Facts(Frozen):
    """As ``dataset.Dataset`` has them; ``reading`` is how values of more than 8 bits were read, None where there are
    none. No field has a default: a folder of an earlier version, which lacks one, is decoded again."""

    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    excluded: int
    given: tuple[str, ...]
    reading: Any
    remarks: tuple[str, ...]


def read(folder: Path) -> Facts:
    """The facts in a folder. Raises OSError, or ValueError where they are damaged or lack something."""
    return Facts.model_validate_json((folder / FACTS).read_bytes())
