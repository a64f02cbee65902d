"""What the data sets of a study have in common with the test images of its targets.

Copies, equal in every decoded pixel, are left out: of train and val of their own data set when it is decoded, and of
pretraining on any other by ``Dataset.apart``. Near-duplicates are counted and stay: see ``duplicates.NEAR`` for what
the count misses and what it takes for one.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from typing import Annotated

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import Field

from hpt_ray.core.values import Frozen
from hpt_ray.data.dataset import Dataset
from hpt_ray.data.duplicates import near

#: Pairs that are shown, and the longest side of their pictures in pixels.
EXAMPLES, SIDE = 6, 48


class Shared(Frozen):
    """What train and val of a data set have in common with the test images of a target.

    Attributes:
        target: The target's name.
        test: How many test images it has.
        copies: Images left out because its test split holds the same.
        near: How many of its test images have near-duplicates among the images that are left.
        images: How many images that are.
        examples: A few of these pairs, the nearest first: the test image and the other, as PNG files in base64.
    """

    target: str
    test: Annotated[int, Field(gt=0)]
    copies: int
    near: int
    images: int
    examples: tuple[tuple[str, str], ...]


def remarks(datasets: Iterable[Dataset]) -> list[str]:
    """A line for each data set and target because of which images are left out."""
    lines = []
    for data in datasets:
        if data.excluded:
            lines.append(f"{data.name}: {_also(data.excluded)} of its own: left out of train and val.")
        for target in data.apart:
            if copies := _copies(data, target):
                lines.append(f"{data.name}: {_also(copies)} of {target.name}: left out of pretraining.")
    return lines


def shared(data: Dataset, target: Dataset) -> Shared:
    """What a data set, kept apart from a target or the target itself, has in common with its test images."""
    own, test = data.fingerprint == target.fingerprint, target.splits["test"]
    # A target's probes learn from all of its train split, whatever pretraining leaves out for the sake of others.
    left = data.pool if own else np.setdiff1d(data.pool, data.left_out)
    pairs = near(target.perceptual[test], data.perceptual[left])
    nearest = pairs[np.argsort(np.bitwise_count(pairs[:, 0] ^ pairs[:, 1]), kind="stable")]
    _, first = np.unique(nearest[:, 0], return_index=True)  # a test image is shown once
    return Shared(
        target=target.name,
        test=len(test),
        copies=data.excluded if own else _copies(data, target),
        near=int(np.isin(target.perceptual[test], pairs[:, 0]).sum()),
        images=int(np.isin(data.perceptual[left], pairs[:, 1]).sum()),
        examples=tuple(
            (_picture(target, test, one), _picture(data, left, other))
            for one, other in nearest[np.sort(first)[:EXAMPLES]]
        ),
    )


def _also(number: int) -> str:
    return "1 image is also a test image" if number == 1 else f"{number:,} images are also test images"


def _copies(data: Dataset, target: Dataset) -> int:
    return int(np.isin(data.hashes[data.left_out], target.hashes[target.splits["test"]]).sum())


def _picture(data: Dataset, among: npt.NDArray[np.int64], perceptual: np.uint64) -> str:
    """The first image with a perceptual hash among those of some indices."""
    index = among[np.argmax(data.perceptual[among] == perceptual)]
    image = Image.fromarray(np.ascontiguousarray(data.images[index].transpose(1, 2, 0)))
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
