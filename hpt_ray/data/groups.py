"""Groups: which images belong together, as the slices of a patient or the tiles of a scene do.

Images of one group are alike for other reasons than their class. So no split that is drawn separates a group, and what
is said about test images rests on the number of their groups. The group of an image is in a column of the source
(``group``, ``patient_id``, ...), or a rule reads it from the image's name: ``folder``, or a pattern. An image whose
group is empty is alone: a group of its own.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.core.text import visible
from hpt_ray.data.classes import LONGEST, plain
from hpt_ray.data.folder_names import is_generic
from hpt_ray.data.records import Example, Records, Source

if TYPE_CHECKING:
    from hpt_ray.data.dataset import Dataset

Indices = npt.NDArray[np.int64]
#: From an image's path in its source and the name of its class, if it has one, to its group; None where it finds none.
Rule = Callable[[str, str | None], str | None]

#: The rule that takes folders.
FOLDER = "folder"
#: The rule for images that are numbered within their groups: patient07_slice12.png is of patient07.
NUMBERED = r"([^/]*\d[^/]*)[ _-][^/ _-]*\d[^/ _-]*$"


@dataclass(frozen=True)
class Groups:
    """The groups of the images of a data set.

    Attributes:
        units: int64 [N], the number of each image's group; an image that is alone has a number of its own.
        names: of the first numbers; an image that is alone has no name.
        given_by: what says so, a column or a rule: completes "given by ...".
        rule: the rule, if one was given.
    """

    units: Indices
    names: tuple[str, ...]
    given_by: str
    rule: str | None

    @classmethod
    def stored(cls, columns: Mapping[str, npt.NDArray[Any]], given_by: str, rule: str | None) -> Groups | None:
        """The groups among the columns that ``numbered`` made; None where there are none."""
        if "units" not in columns:
            return None
        return cls(columns["units"], tuple(columns["groups"].tolist()), given_by, rule)

    def name(self, image: int) -> str | None:
        """The name of an image's group; None where it is alone."""
        unit = int(self.units[image])
        return self.names[unit] if unit < len(self.names) else None

    def named(self, images: Indices) -> set[str]:
        """The names of the groups that some images are of."""
        units = np.unique(self.units[images])
        return {self.names[unit] for unit in units[units < len(self.names)]}

    def count(self, images: Indices) -> int:
        """How many groups some images are of."""
        return len(np.unique(self.units[images]))


def numbered(groups: Sequence[str | None]) -> dict[str, npt.NDArray[Any]]:
    """The columns ``units`` and ``groups``, the names, of the group of each image, None of one that is alone; {} where
    all are."""
    names = sorted({name for name in groups if name is not None})
    if not names:
        return {}
    number = {name: place for place, name in enumerate(names)}
    units = np.array([-1 if name is None else number[name] for name in groups], dtype=np.int64)
    alone = units < 0
    units[alone] = len(names) + np.arange(alone.sum())
    return {"units": units, "groups": np.array(names)}


def by_rule(data: Source, rule: str) -> Source:
    """A source whose images are grouped by a rule, whatever its columns say.

    Args:
        rule: ``folder``, the first folder on the way to an image that is neither its class's nor a split's, or a
            regular expression with one group in parentheses, searched for in the image's path within the source.

    Raises:
        DataError: for a rule that is neither; when the source is read, for an image that has no group by it.
    """
    group_of = _folder if rule == FOLDER else _pattern(rule)
    return replace(
        data,
        fingerprint=content_id(["groups", rule, data.fingerprint], length=32),
        read=lambda: _grouped(data.name, data.read(), rule, group_of),
        grouped_by=f"groups={rule}",
    )


def _grouped(source: str, records: Records, rule: str, group_of: Rule) -> Records:
    def examples() -> Iterator[Example]:
        for example in records.examples:
            label = None if example.label is None else records.classes[example.label]
            group = group_of(example.name, label)
            if not group:
                raise DataError(f"{source}: groups={rule} finds no group in {_advice(rule, example.name)}")
            yield replace(example, group=group)

    # What is known at once is checked before anything is decoded, which may take hours.
    known = isinstance(records.examples, Sequence)
    return replace(records, examples=list(examples()) if known else examples())


def _advice(rule: str, name: str) -> str:
    """The image that a rule does not fit, and what to do."""
    if not name:
        return "images that have no file names: leave groups out."
    pattern = r"a pattern that fits the name of every image, such as '(patient\d+)_'"
    if rule == FOLDER:
        return f"{name!r}; give each group a folder of its own within its class, or write {pattern}."
    return f"{name!r}; write {pattern}, or groups=folder where each group has a folder of its own."


def _folder(name: str, label: str | None) -> str | None:
    inside = (part for part in name.split("/")[:-1] if part != label and not is_generic(part))
    return next(inside, None)


def _pattern(rule: str) -> Rule:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise DataError(f"groups={rule} is no regular expression: {error}.") from error
    if pattern.groups != 1:
        raise DataError(
            f"groups={rule} is neither 'folder' nor a pattern with one group in parentheses, such as '(patient\\d+)_'."
        )

    def group_of(name: str, _: str | None) -> str | None:
        match = pattern.search(name)
        return match[1] if match else None

    return group_of


def suggestion(names: Sequence[str], labels: Indices, classes: Sequence[str]) -> list[str]:
    """A remark where images without groups are in folders, or named, as if they came in some; [] otherwise.

    That is, if a rule gives every image a group, of two images or more on average, and a class two or more.

    Args:
        names: the path of each image within its source.
        labels: int64 [N], -1 without label; of ``classes``.
    """
    for rule, group_of in ((FOLDER, _folder), (NUMBERED, _pattern(NUMBERED))):
        pairs = (
            (name, None if label < 0 else classes[label]) for name, label in zip(names, labels.tolist(), strict=True)
        )
        groups = {group_of(*pair) for pair in pairs}
        if None not in groups and len(classes) > 1 and 2 * len(classes) <= len(groups) <= len(names) / 2:
            example = group_of(names[0], classes[labels[0]] if labels[0] >= 0 else None)
            where = "lie in folders" if rule == FOLDER else "are named"
            return [
                f"its images {where} as if they came in {len(groups):,} groups, such as {example!r}; if the images of "
                f"one are alike, as slices of a patient are, add --set groups={shlex.quote(rule)}"
            ]
    return []


def check(spec: str, groups: Groups, labels: Indices) -> None:
    """Refuse groups that are the classes: then nothing that is tested could have been learned.

    Args:
        labels: int64 [N], -1 without label.

    Raises:
        DataError: where every class is one group, or a part of one.
    """
    known = labels >= 0
    pairs = np.unique(np.stack([groups.units[known], labels[known]]), axis=1)
    many_groups, classes = len(np.unique(pairs[0])) > 1, len(np.unique(pairs[1]))
    if many_groups and pairs.shape[1] == classes:
        raise DataError(
            f"{spec}: each class lies in one group, so that no class could be both trained on and tested; group what "
            "belongs together within a class, as the images of a patient do."
        )


def of_cell(value: object) -> str | None:
    """The group that a cell of a table or an entry of JSON names; None where it is empty."""
    if isinstance(value, float):  # integers with gaps may have been written as floats, whose gaps are NaN
        value = None if math.isnan(value) else int(value) if value.is_integer() else value
    return None if value is None else str(value).strip() or None


def readable(name: str, where: str) -> str:
    """The name of a group as it is kept: spelled as names of classes are compared, without what cannot be shown.

    Raises:
        DataError: for a name that is too long to be one.
    """
    if len(name) > LONGEST:
        raise DataError(f"{where}: group '{name[:20]}...' has {len(name):,} characters; write the group's name.")
    return visible(plain(name))


def lines(data: Dataset) -> Iterable[str]:
    """Remarks on the groups of a data set: how many there are, and which of test are also trained on."""
    groups = data.groups
    if groups is None:
        return
    test = data.splits["test"][data.strata[data.splits["test"]] >= 0]
    if test.size == 0:
        yield f"its images are in {groups.count(data.pool):,} groups, given by {groups.given_by}"
        return
    train, val = (groups.count(data.splits[name]) for name in ("train", "val"))
    number = groups.count(test)
    yield (
        f"{len(test):,} test images in {number:,} group{'s' * (number != 1)}, given by {groups.given_by} (train has "
        f"{train:,}, val {val:,}); intervals rest on the groups"
    )
    shared = int(np.isin(np.unique(groups.units[test]), groups.units[data.pool]).sum())
    if shared:
        yield (
            f"{shared:,} of {number:,} groups of test have images in train or val too, so that its accuracies may be "
            "too high; give no splits to have groups kept together"
        )
