"""Whether a data set can be evaluated on, and with which images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError, StudyError
from hpt_ray.core.metric import chosen, find
from hpt_ray.core.targets import both
from hpt_ray.data import classes, groups
from hpt_ray.data.records import PUBLISHED

if TYPE_CHECKING:
    from hpt_ray.data.dataset import Dataset

Indices = npt.NDArray[np.int64]


def labelled(data: Dataset) -> dict[str, Indices]:
    """The labelled images of each split, as sorted indices.

    Raises:
        DataError: unless there are labels, at least two classes, labelled images in every split, and in train all
            classes of the others where these were given; of several labels an image, a class with positives and
            negatives in train and val, and one in train and test.
    """
    labelled_splits = {name: indices[data.strata[indices] >= 0] for name, indices in data.splits.items()}
    present = np.unique(data.strata[data.strata >= 0])
    if present.size == 0:
        raise DataError(f"{data.spec} has {data.unlabelled}, so it serves pretraining only; evaluate on another.")
    if data.targets is None and present.size == 1:
        only = data.classes[int(present[0])]
        raise DataError(f"{data.spec} has one class only ({only}); an evaluation needs at least two.")
    if data.groups is not None and not {"train", "test"} <= set(data.given):
        groups.check(data.spec, data.groups, data.strata)
    for name, indices in labelled_splits.items():
        if indices.size == 0:
            raise DataError(f"{data.spec} has no labelled images in {name}{_why_none(data, name)}")
    if data.targets is None:
        classes.check_trained(data.spec, data.classes, data.labels, data.splits, data.given)
        return labelled_splits
    defined = {name: both(data.targets[indices]) for name, indices in labelled_splits.items()}
    for name in ("val", "test"):
        if not (defined["train"] & defined[name]).any():
            raise DataError(
                f"{data.spec} has no class with both positives and negatives in train and in {name}, and so nothing "
                f"to measure; add images{_or_no_splits(data)}."
            )
    return labelled_splits


def check_metric(study: str, name: str | None, tested: Mapping[str, Dataset]) -> None:
    """Check that the metric of a study fits the data that it tests on, and that all of it is measured alike.

    Raises:
        StudyError: otherwise: nothing could be said across them, nor shown on one axis.
    """
    kinds = {False: "one label per image", True: "several labels per image"}
    first = next(iter(tested))
    for spec, data in tested.items():
        multilabel = data.multilabel
        metric = find(chosen(name, multilabel))
        if metric.multilabel != multilabel:
            raise StudyError(
                f"study {study}: metric {metric.name} needs {kinds[metric.multilabel]}, and {spec} has "
                f"{kinds[multilabel]}: leave metric out, or choose another one."
            )
        if multilabel != tested[first].multilabel:
            raise StudyError(
                f"study {study}: {first} has {kinds[not multilabel]} and {spec} has {kinds[multilabel]}, which "
                "are measured differently: give them a study each."
            )


def check_retained(study: str, retained: Dataset, targets: Iterable[Dataset]) -> None:
    """Check that forgetting is measured on other data than a target, by content, whatever each is called.

    Raises:
        StudyError: otherwise: what is gained on the target and lost there would be the same number.
    """
    for target in targets:
        if target.fingerprint == retained.fingerprint:
            raise StudyError(
                f"study {study}: retain={retained.spec} is the same data as the target {target.spec}, on which nothing "
                "is forgotten by learning it: name other data, such as the base's own, or write retain=none."
            )


def _why_none(data: Dataset, split: str) -> str:
    """Completes "no labelled images in ..."."""
    if split in data.given and (here := len(data.splits[split])):
        return f": its {here} images have no label; label them{_or_no_splits(data)}."
    if data.excluded:
        return f" ({data.excluded} copies of test images left out); add some{_or_no_splits(data)}."
    if data.groups is not None:
        number = data.groups.count(np.flatnonzero(data.strata >= 0))
        return (
            f": its labelled images are of {number} group{'s' * (number != 1)} by {data.groups.given_by}, too few to "
            "take it from, since a split takes whole groups; add images of others."
        )
    few = int((data.strata >= 0).sum())
    return f": {few} labelled images are too few to take it from; add images."


def _or_no_splits(data: Dataset) -> str:
    """Advice to leave out splits, if the user defined them: those of a published data set cannot be left out."""
    return ", or give no splits and have them made" if data.given and data.given_by != PUBLISHED else ""
