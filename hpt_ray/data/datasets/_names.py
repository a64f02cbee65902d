"""The classes of a data set whose labels are written as integers or as names, in one file or in several."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import DataError


def classes(
    place: Path, labels: Iterable[int | str | None], declared: Sequence[tuple[str, ...]], listed: Path
) -> tuple[str, ...]:
    """The names of the classes.

    Args:
        place: Names the data set in an error.
        labels: All labels: integers or names, None without one.
        declared: The names that the files themselves give, of each that gives some.
        listed: ``classes.json``, which gives them otherwise, if it exists.

    Raises:
        DataError: for integers beside names, and files that disagree.
    """
    used = set(labels) - {None}
    if not used:
        return ()
    if all(isinstance(value, str) for value in used):
        return tuple(sorted(map(str, used)))
    if any(isinstance(value, str) for value in used):
        raise DataError(f"{place}: the labels are names in some files and integers in others.")
    if any(names != declared[0] for names in declared):
        raise DataError(f"{place}: its files declare different class names; make them agree.")
    if declared:
        return declared[0]
    if listed.is_file():
        return names_in(listed)
    return tuple(str(i) for i in range(max(int(value) for value in used if value is not None) + 1))


def names_in(path: Path) -> tuple[str, ...]:
    """The names in a ``classes.json``: a list, or one under the key ``classes``.

    Raises:
        DataError: for anything else.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        names = content["classes"] if isinstance(content, dict) else content
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError("no list of names")
    except RecursionError as error:
        raise DataError(f"{path} is nested too deep; write the names as {{'classes': [...]}}.") from error
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be used ({error}); write the names as {{'classes': [...]}}.") from error
    return tuple(names)


def numbers(labels: Sequence[int | str | None], names: Sequence[str], where: Callable[[int], str]) -> list[int | None]:
    """Labels as indices into the names of the classes.

    Args:
        where: Names a label in an error, by its place.

    Raises:
        DataError: for one out of range.
    """
    index = {name: i for i, name in enumerate(names)}
    indices = [index[label] if isinstance(label, str) else label for label in labels]
    for position, label in enumerate(indices):
        if label is not None and not 0 <= label < len(names):
            raise DataError(f"{where(position)}: label {label} is out of range; there are {len(names)} classes.")
    return indices
