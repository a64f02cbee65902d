"""Pictures that occur in a data set with different labels: no network can answer all of them correctly.

Two images are the same picture when they are equal in every decoded pixel, whatever their splits are.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import StudyError
from hpt_ray.data.records import source

if TYPE_CHECKING:
    from hpt_ray.data.dataset import Dataset

Indices = npt.NDArray[np.int64]
#: The index of an image, and its label in words.
Labelled = tuple[int, str]


def remark(data: Dataset) -> str | None:
    """A remark on how many pictures have different labels, with one example; None if there are none.

    With several labels per image, two images differ if a class is known for both and only one of them has it.
    """
    groups = _contradictions(data)
    if not groups:
        return None
    first_pair = min((_pair(data, group) for group in groups), key=lambda pair: max(pair)[0])  # the first complete one
    first, second = (f"{name} ({label})" for name, (_, label) in zip(_names(data, first_pair), first_pair, strict=True))
    pictures = "1 picture has" if len(groups) == 1 else f"{len(groups):,} pictures have"
    images = sum(map(len, groups))
    return (
        f"{pictures} different labels in {images:,} images, such as {first} and {second}; correct these labels or "
        "remove the images"
    )


def _contradictions(data: Dataset) -> list[Indices]:
    """The labelled images that have copies of another label, as one array of indices for each picture."""
    labelled = np.flatnonzero(data.strata >= 0)
    _, picture, counts = np.unique(data.hashes[labelled], return_inverse=True, return_counts=True)
    copied = np.flatnonzero(counts[picture] > 1)
    order = copied[np.argsort(picture[copied], kind="stable")]
    if not len(order):
        return []
    starts, images = np.flatnonzero(np.diff(picture[order], prepend=-1)), labelled[order]
    if data.targets is None:
        labels = data.labels[images]
        differ = np.minimum.reduceat(labels, starts) != np.maximum.reduceat(labels, starts)
    else:
        has, has_not = (np.logical_or.reduceat(data.targets[images] == mark, starts) for mark in (1, 0))
        differ = (has & has_not).any(axis=1)
    return [group for group, each in zip(np.split(images, starts[1:]), differ, strict=True) if each]


def _pair(data: Dataset, group: Indices) -> tuple[Labelled, Labelled]:
    """The first two images of a group whose labels differ."""
    if data.targets is None:
        labels = data.labels[group]
        has_first, has_other = labels == labels[0], labels != labels[0]
        words = [repr(data.classes[labels[which.argmax()]]) for which in (has_first, has_other)]
    else:
        marks = data.targets[group]
        column = int(((marks == 1).any(axis=0) & (marks == 0).any(axis=0)).argmax())
        has_first, has_other = marks[:, column] == 1, marks[:, column] == 0
        words = [f"{word} {data.classes[column]!r}" for word in ("has", "has not")]
    one, other = sorted(
        (int(group[which.argmax()]), word) for which, word in zip((has_first, has_other), words, strict=True)
    )
    return one, other


def _names(data: Dataset, pair: tuple[Labelled, Labelled]) -> list[str]:
    """The names of two images in the source, a file or a row; their numbers if the source cannot be read any more."""
    indices = [index for index, _ in pair]
    try:
        # Nothing is decoded, and only the beginning of a large file is read.
        names = [example.where for example in islice(source(data.spec).read().examples, indices[-1] + 1)]
        return [names[index] for index in indices]
    except (StudyError, IndexError):
        return [f"image {index}" for index in indices]
