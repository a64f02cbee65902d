"""What the data sets of a study have in common with the test images of its targets.

Copies, equal in every decoded pixel, are left out: of train and val of their own data set when it is decoded, and of
pretraining on any other by ``Dataset.apart``. Near-duplicates are counted and stay: see ``duplicates.NEAR`` for what
the count misses and what it takes for one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hpt_ray.data.dataset import Dataset


def remarks(datasets: Iterable[Dataset]) -> list[str]:
    """A line for each data set and target whose test images make the data set leave out images."""
    lines = []
    for data in datasets:
        if data.excluded:
            lines.append(f"{data.name}: {_also(data.excluded)} of its own: left out of train and val.")
        for target in data.apart:
            if number := copies(data, target):
                lines.append(f"{data.name}: {_also(number)} of {target.name}: left out of pretraining.")
    return lines


def _also(number: int) -> str:
    return "1 image is also a test image" if number == 1 else f"{number:,} images are also test images"


def copies(data: Dataset, target: Dataset) -> int:
    """The number of images that are left out of pretraining because the target's test split contains the same."""
    return int(np.isin(data.hashes[data.left_out], target.hashes[target.splits["test"]]).sum())
