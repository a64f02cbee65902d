"""What the data sets of a study have in common with the test images of its targets.

Copies, equal in every decoded pixel, are left out: of train and val of their own data set when it is decoded, and of
pretraining on any other by ``Dataset.apart``. Near-duplicates are counted and stay: see ``duplicates.py`` for what
the count misses and what it takes for one. So are groups of another data set that are called like groups of test
images: names alone do not show that they are the same patients.
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
            if number := alike(data, target):
                groups = "1 group is" if number == 1 else f"{number:,} groups are"
                lines.append(
                    f"{data.name}: {groups} called like groups of test images of {target.name}; if they are the same, "
                    "remove them: other images of a group that is tested stay in pretraining."
                )
    return lines


def _also(number: int) -> str:
    return "1 image is also a test image" if number == 1 else f"{number:,} images are also test images"


def copies(data: Dataset, target: Dataset) -> int:
    """The number of images that are left out of pretraining because the target's test split contains the same."""
    return int(np.isin(data.hashes[data.left_out], target.hashes[target.splits["test"]]).sum())


def alike(data: Dataset, target: Dataset) -> int:
    """The number of groups whose images pretraining may see, and that are called like groups of a target's test images.

    0 of the data set that is the target: see ``groups.lines``.
    """
    if data.groups is None or target.groups is None or data.fingerprint == target.fingerprint:
        return 0
    tested = target.groups.named(target.splits["test"])
    return len(tested & data.groups.named(np.setdiff1d(data.pool, data.left_out)))
