"""How the pixels of a data set are kept: decoded once to squares, or encoded in their files as they are.

Squares are fast and take little room for small images. Of large ones they lose detail, and all that lies outside the
centre square; and of a million they fill a disk.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Literal

from hpt_ray.core.channels import RGB
from hpt_ray.core.errors import DataError
from hpt_ray.data import cache
from hpt_ray.data.decode import pixels
from hpt_ray.data.records import Example, Source

Pixels = Literal["resident", "encoded"]
Choice = Literal["resident", "encoded", "auto"]

#: Why images without files are resident, whatever is asked for.
ARRAYS = "its images are drawn or downloaded as arrays, and stay resident"

#: As many images of a data set are decoded to learn how large they are.
SAMPLE = 64


@dataclass(frozen=True)
class Extent:
    """How many images a data set has, and the median of the longer sides of a sample of them in pixels."""

    images: int
    longer_side: float


def chosen(source: Source, size: int, room: float, channels: int = RGB) -> tuple[Pixels, str]:
    """How the pixels of a data set are kept where nobody says it, and a remark on why.

    They stay encoded if most images are larger than the square, or if the squares do not fit in the cache.

    Args:
        size: Side of the square in pixels.
        room: Free bytes of the cache; infinite where the squares are there already.
        channels: How many are read.

    Raises:
        DataError: for a source that cannot be read.
    """
    if not source.folder:
        return "resident", ARRAYS
    extent = extent_of(source)
    needed = extent.images * channels * size**2
    if extent.longer_side > size:
        why = f"most are larger than {size} px (the longer side {extent.longer_side:,.0f} px in the median)"
        return "encoded", f"its images stay encoded, since {why}: crops are cut at full resolution"
    if needed > room:
        why = f"decoded they would take {needed / 1e6:,.0f} MB of the cache, which has {room / 1e6:,.0f} MB free"
        return "encoded", f"its images stay encoded, since {why}"
    why = f"most are not larger than {size} px (the longer side {extent.longer_side:,.0f} px in the median)"
    return "resident", f"its images are decoded once, since {why}"


def extent_of(source: Source) -> Extent:
    """The extent of a data set, which the cache keeps by its content.

    Raises:
        DataError: for a source that cannot be read, or the first image where none of the sample can be decoded.
    """
    memory = cache.root() / "extents" / f"{source.fingerprint}.json"
    try:
        return Extent(**json.loads(memory.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        pass
    records = source.read()
    sides, first_error = [], None
    for example in _sample(records.examples):
        try:
            sides.append(max(pixels(example, 1).extent))
        except DataError as error:  # all bad images are named once the data set is decoded
            first_error = first_error or error
    if not sides:
        raise first_error or DataError(f"{source.name} has no images; check the path.")
    extent = Extent(records.count, median(sides))
    cache.write_atomically(memory, json.dumps(vars(extent)).encode())
    return extent


def _sample(examples: Iterable[Example]) -> Sequence[Example]:
    """Images from the whole data set or, where they can only be read one after the other, the first ones."""
    if isinstance(examples, Sequence):
        return examples[:: max(1, len(examples) // SAMPLE)][:SAMPLE]
    return list(islice(examples, SAMPLE))
