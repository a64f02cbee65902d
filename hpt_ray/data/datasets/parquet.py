"""Parquet files in the Hugging Face image layout: ``image`` = struct<bytes, path>, optionally ``label`` and ``split``.

A label is an integer or a class name or, of several labels an image, a list with 1, 0 or -1 (unknown) for each class.
Without a column ``label`` the only one whose name ends like it (``labels``, ``fine_label``, ``class``) is taken.

A column ``split`` gives the splits. Else a file whose name says train, val (validation, valid, dev) or test gives that
split, or the folder that it lies in (``split=train/0.parquet``). The names of the classes are taken from the Hugging
Face metadata of the schema, else from ``classes.json`` beside the files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data import cache
from hpt_ray.data.datasets import _walk
from hpt_ray.data.datasets._columns import may_be_split
from hpt_ray.data.datasets._parquet import Table, table
from hpt_ray.data.records import Example, Records, Source, path_argument, split_name

#: As many folders are named of several data sets.
NAMED = 5


def dataset(argument: str | None) -> Source:
    """A Parquet file, or a folder with some: in itself, else in its ``data`` folder, else anywhere below."""
    path = path_argument("parquet", argument)
    folder = path if path.is_dir() else path.parent
    files = _files(path) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} has no *.parquet files. Check the path.")
    names = folder / "classes.json"
    content = cache.fingerprint([*files, names] if names.is_file() else files, folder)
    tables = [table(file) for file in files]
    named = [_split(file, folder) for file in files]
    given = [part.splits or [split] * part.rows for part, split in zip(tables, named, strict=True)]
    by_column = any(part.splits for part in tables)
    elsewhere = sorted({part.label for part in tables if part.label is not None} - {"label"})
    if elsewhere or any(set(splits) - {split} for splits, split in zip(given, named, strict=True)):
        # What the cache may hold of them from before these columns were read is something else.
        content = content_id(["columns", content], length=32)
    several = sorted({name for part in tables if part.label is None for name in part.candidates})
    doubt = (
        f"several columns that may be its labels ({', '.join(map(repr, several))}) and none called 'label'; call one so"
    )
    remarks = [f"it has {doubt}"] if several else []
    if elsewhere:
        remarks.append(f"its labels are from the column {', '.join(map(repr, elsewhere))}")
    return Source(
        path.resolve().name.removesuffix(".parquet"),
        content,
        lambda: _read(tables, given, names),
        labels=doubt if several else "no labels",
        given_by="its column of splits" if by_column else "its file names",
        remarks=tuple(remarks),
    )


def _files(folder: Path) -> list[Path]:
    """The Parquet files of a folder.

    Raises:
        DataError: where they lie in several folders that are no splits: they are several data sets then.
    """
    for pattern in ("*.parquet", "data/*.parquet"):
        if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return found
    found = _walk.tables(folder)
    places = {tuple(filter(_is_place, file.relative_to(folder).parts[:-1])) for file in found}
    if len(places) > 1:
        named = ", ".join(sorted(str(Path(*place)) for place in places)[:NAMED])
        raise DataError(f"{folder} holds Parquet files of several data sets ({named}); give the folder of one.")
    return found


def _is_place(part: str) -> bool:
    """Whether a folder's name tells data sets apart: not ``train``, ``split=train``, ``data`` or ``x.parquet``."""
    return split_name(part) is None and "=" not in part and part != "data" and not part.endswith(".parquet")


def _split(file: Path, folder: Path) -> str | None:
    """The split that the name of a file speaks of, or one of the folders on the way to it."""
    *above, name = file.relative_to(folder).parts
    for part in above:
        key, equals, value = part.partition("=")
        if equals and may_be_split(key) and split_name(value) is None:
            raise DataError(f"{file}: {key} {value!r} is none of train, val, test.")
    found = {split_name(part) for part in above} - {None}
    own = split_name(Path(name).stem)
    if len(found | {own} - {None}) > 1:
        raise DataError(
            f"{file} is named for several splits ({', '.join(sorted(map(str, found | {own})))}); rename it."
        )
    return own or next(iter(found), None)


def _read(tables: Sequence[Table], splits: Sequence[Sequence[str | None]], names: Path) -> Records:
    if any(part.multilabel for part in tables):
        return _targets(tables, splits, names)
    labels = [part.labels() for part in tables]
    classes = _classes(tables, labels, names)
    index = {name: i for i, name in enumerate(classes)}
    numbers: list[list[int | None]] = []
    for part, column in zip(tables, labels, strict=True):
        numbers.append([index[value] if isinstance(value, str) else value for value in column])
        _check(part.path, numbers[-1], classes)
    return Records(
        count=sum(len(column) for column in numbers),
        classes=classes,
        examples=(
            Example(image, where, label, split)
            for part, column, given in zip(tables, numbers, splits, strict=True)
            for (image, where), label, split in zip(part.images(), column, given, strict=True)
        ),
    )


def _targets(tables: Sequence[Table], splits: Sequence[Sequence[str | None]], names: Path) -> Records:
    """Images with several labels each; without ``classes.json`` the classes are numbered."""
    columns: list[list[list[int | None] | None]] = []
    for part in tables:
        if part.label is None or not part.multilabel:
            raise DataError(
                f"{part.path}: column {part.label or 'label'!r} holds no lists, as in other files there; make them "
                "agree."
            )
        columns.append(part.column(part.label))
    listed = _listed(names) if names.is_file() else ()
    count = len(listed) or next((len(value) for column in columns for value in column if value), 0)
    for part, column in zip(tables, columns, strict=True):
        for row, value in enumerate(column):
            # An empty list is no label.
            if value and (len(value) != count or not set(value) <= {1, 0, -1, None}):
                raise DataError(
                    f"{part.path}, row {row}: label {value} is not {count} of 1, 0 and -1, one for each class."
                )
    return Records(
        count=sum(map(len, columns)),
        classes=listed or tuple(map(str, range(count))),
        examples=(
            Example(image, where, None, split, tuple(-1 if mark is None else mark for mark in value) if value else None)
            for part, column, given in zip(tables, columns, splits, strict=True)
            for (image, where), value, split in zip(part.images(), column, given, strict=True)
        ),
        multilabel=count > 0,
    )


def _classes(tables: Sequence[Table], labels: Sequence[Sequence[int | str | None]], names: Path) -> tuple[str, ...]:
    used = {value for column in labels for value in column if value is not None}
    if not used:
        return ()
    folder = tables[0].path.parent
    if all(isinstance(value, str) for value in used):
        return tuple(sorted(map(str, used)))
    if any(isinstance(value, str) for value in used):
        raise DataError(f"{folder}: the labels are names in some files and integers in others.")
    declared = [found for part in tables if (found := part.declared())]
    if any(found != declared[0] for found in declared):
        raise DataError(f"{folder}: its Parquet files declare different class names; make them agree.")
    if declared:
        return declared[0]
    if names.is_file():
        return _listed(names)
    return tuple(str(i) for i in range(max(map(int, used)) + 1))


def _listed(path: Path) -> tuple[str, ...]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        classes = content["classes"] if isinstance(content, dict) else content
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("no list of names")
    except RecursionError as error:
        raise DataError(f"{path} is nested too deep; write the names as {{'classes': [...]}}.") from error
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be used ({error}); write the names as {{'classes': [...]}}.") from error
    return tuple(classes)


def _check(path: Path, column: Sequence[int | None], classes: tuple[str, ...]) -> None:
    for row, label in enumerate(column):
        if label is not None and not 0 <= label < len(classes):
            raise DataError(f"{path}, row {row}: label {label} is out of range; there are {len(classes)} classes.")
