"""The classes of a data set, whatever its source: one name is one class, and every tested class has training images.

Names that look equal but have other bytes (NFC and NFD, a trailing blank) are one class. Names that differ in case may
be two classes, so they are only reported.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data.records import SPELLINGS

if TYPE_CHECKING:
    from hpt_ray.data.dataset import Dataset

Indices = npt.NDArray[np.int64]

#: At most this many classes are listed in a message.
NAMED = 5
#: The longest class name, in characters; names of folders have at most 255.
LONGEST = 1_000
#: How programs write a missing value.
MISSING = {"nan", "none", "null", "na", "n/a", "<na>", "nat"}


def plain(name: str) -> str:
    """A class name as it is compared: in Unicode's composed form (NFC), without blanks around it."""
    return unicodedata.normalize("NFC", name).strip() or name


def too_long(name: str) -> str:
    """The message about a name of more than ``LONGEST`` characters; it follows the name of the place."""
    return (
        f"label '{name[:20]}...' has {len(name):,} characters, and a class name at most {LONGEST:,}; write the name of "
        "the class"
    )


def merged(names: Sequence[str]) -> tuple[tuple[str, ...], Indices] | None:
    """Merge classes whose names are equal in the form of ``plain``.

    Names that are identical are not merged: a list that declares two classes of one name means two (ImageNet's
    "crane").

    Returns:
        The classes and the new index of each old class [C]; None if nothing is merged.
    """
    spelled = Counter(map(plain, dict.fromkeys(names)))
    if all(number == 1 for number in spelled.values()):
        return None
    keys = [(plain(name), -1) if spelled[plain(name)] > 1 else (name, place) for place, name in enumerate(names)]
    index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return tuple(name for name, _ in index), np.array([index[key] for key in keys], dtype=np.int64)


def check_trained(
    spec: str, classes: Sequence[str], labels: Indices, splits: Mapping[str, Indices], given: Collection[str]
) -> None:
    """Refuse a given val or test split with classes that train lacks: their images cannot be classified correctly.

    A drawn split is as even as the images allow, so a class with one image may be in test alone; the split is refused
    only if all its classes are like that. A class whose train images are copies of test images counts as trained.

    Args:
        labels: int64 [N], -1 without label.
        given: the splits that the source defines; the others were drawn.

    Raises:
        DataError: names these classes, and the nearest one of train.
    """
    held_out = [name for name in ("val", "test") if name in given]
    # Of train, of splits that were drawn from it, and of copies of test images that were left out of it.
    known = set(np.delete(labels, np.concatenate([labels[:0], *(splits[name] for name in held_out)])).tolist()) - {-1}
    trained = {classes[label].casefold(): classes[label] for label in sorted(known)}
    for split in held_out:
        untrained = sorted(set(labels[splits[split]].tolist()) - known - {-1})
        if not untrained:
            continue
        listed = []
        for label in untrained[:NAMED]:
            near = difflib.get_close_matches(classes[label].casefold(), trained, n=1, cutoff=0.7)
            listed.append(f"{classes[label]!r}" + (f" (is it {trained[near[0]]!r}?)" if near else ""))
        more = f" and {len(untrained) - NAMED} more" if len(untrained) > NAMED else ""
        raise DataError(
            f"{spec}: {split} has classes that train lacks: {', '.join(listed)}{more}. Name each class alike in every "
            "split, or remove it."
        )
    drawn = splits.keys() - set(given)
    if "test" in drawn and not np.isin(labels[splits["test"]], labels[splits["train"]]).any():
        raise DataError(f"{spec}: no class of test has an image in train, there are too few of each; add images.")


def check_names(spec: str, classes: Sequence[str]) -> None:
    """Refuse classes that are splits: a list whose second column is train or test has no labels.

    Raises:
        DataError: names them.
    """
    splits = {SPELLINGS.get(name.strip().casefold()) for name in classes}
    if None not in splits and len(splits) > 1:
        raise DataError(
            f"{spec}: its labels are {', '.join(map(repr, classes))}, which are splits; call the column of splits "
            "'split' (a list needs a first line such as path,split for it)."
        )


def missing(classes: Sequence[str]) -> str | None:
    """A remark on classes whose name looks like a missing value."""
    suspicious = [name for name in classes if name.strip().casefold() in MISSING]
    if not suspicious:
        return None
    called = "classes are" if len(suspicious) > 1 else "a class is"
    return f"{called} called {', '.join(map(repr, suspicious))}; leave the label empty where an image has none"


def alike(classes: Sequence[str]) -> str | None:
    """A remark on classes whose names differ in case only; single letters may."""
    named: dict[str, list[str]] = {}
    for name in dict.fromkeys(classes):
        if len(name) > 1:
            named.setdefault(plain(name).casefold(), []).append(name)
    pairs = [" and ".join(map(repr, names)) for names in named.values() if len(names) > 1]
    return f"classes that differ in case only: {', '.join(pairs[:NAMED])}" if pairs else None


def in_normal_form(data: Dataset) -> Dataset:
    """Merge classes whose names are equal in the form of ``plain``; this changes labels and fingerprint."""
    names_and_index = merged(data.classes) if data.targets is None else None
    if names_and_index is not None:
        names, index = names_and_index
        fewer = f"{len(data.classes)} spellings of class names are {len(names)} classes"
        data = replace(
            data,
            classes=names,
            labels=np.where(data.labels < 0, -1, index[data.labels]),
            fingerprint=content_id(["classes", data.fingerprint], length=32),
            remarks=(*data.remarks, f"{fewer} after Unicode's normal form and without blanks around them"),
        )
    check_names(data.spec, data.classes)
    remarks = [remark for remark in (alike(data.classes), missing(data.classes)) if remark]
    return replace(data, remarks=(*data.remarks, *remarks))
