"""Parquet files in the Hugging Face image layout: ``image`` = struct<bytes, path>, optionally ``label``.

A label is an integer or a class name or, of several labels an image, a list with 1, 0 or -1 (unknown) for each class.

A file whose name says train, val (validation, valid, dev) or test gives that split. The names of the classes are taken
from the Hugging Face metadata of the schema, else from ``classes.json`` beside the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hpt_ray import cache
from hpt_ray.errors import DataError
from hpt_ray.records import Example, Records, Source, path_argument, split_name

#: Rows in memory at a time.
ROWS = 256


def dataset(argument: str | None) -> Source:
    """A Parquet file, or a folder with some (or with some in its ``data`` folder)."""
    path = path_argument("parquet", argument)
    folder = path if path.is_dir() else path.parent
    files = sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} has no *.parquet files. Check the path.")
    names = folder / "classes.json"
    content = [*files, names] if names.is_file() else files
    name = path.resolve().name.removesuffix(".parquet")
    return Source(name, cache.fingerprint(content, folder), lambda: _read(files, names), given_by="its file names")


def _read(files: Sequence[Path], names: Path) -> Records:
    splits = [split_name(path.stem) for path in files]
    opened = [_open(path) for path in files]
    if any(_multilabel(file) for file in opened):
        return _targets(files, opened, splits, names)
    labels = [_labels(path, file) for path, file in zip(files, opened, strict=True)]
    classes = _classes(files, opened, labels, names)
    index = {name: i for i, name in enumerate(classes)}
    numbers: list[list[int | None]] = []
    for path, column in zip(files, labels, strict=True):
        numbers.append([index[value] if isinstance(value, str) else value for value in column])
        _check(path, numbers[-1], classes)
    return Records(
        count=sum(len(column) for column in numbers),
        classes=classes,
        examples=(
            example
            for path, file, column, split in zip(files, opened, numbers, splits, strict=True)
            for example in _examples(path, file, column, split)
        ),
    )


def _multilabel(file: pq.ParquetFile) -> bool:
    schema = file.schema_arrow
    kind = schema.field("label").type if "label" in schema.names else pa.null()
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and bool(pa.types.is_integer(kind.value_type))


def _targets(
    files: Sequence[Path], opened: Sequence[pq.ParquetFile], splits: Sequence[str | None], names: Path
) -> Records:
    """Images with several labels each; without ``classes.json`` the classes are numbered."""
    columns: list[list[list[int | None] | None]] = []
    for path, file in zip(files, opened, strict=True):
        if not _multilabel(file):
            raise DataError(f"{path}: column 'label' holds no lists, as in other files there; make them agree.")
        columns.append(_column(path, file))
    listed = _listed(names) if names.is_file() else ()
    count = len(listed) or next((len(value) for column in columns for value in column if value), 0)
    for path, column in zip(files, columns, strict=True):
        for row, value in enumerate(column):
            if value and (len(value) != count or not set(value) <= {1, 0, -1, None}):
                raise DataError(f"{path}, row {row}: label {value} is not {count} of 1, 0 and -1, one for each class.")
    return Records(
        count=sum(map(len, columns)),
        classes=listed or tuple(map(str, range(count))),
        examples=(
            replace(example, targets=tuple(-1 if mark is None else mark for mark in value) if value else None)
            for path, file, column, split in zip(files, opened, columns, splits, strict=True)
            for example, value in zip(_examples(path, file, [None] * len(column), split), column, strict=True)
        ),
        multilabel=True,
    )


def _open(path: Path) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet ({error}); mend or remove it.") from error
    schema = file.schema_arrow
    if "image" not in schema.names:
        raise DataError(f"{path} has no column 'image' (it has: {', '.join(schema.names)}); name its image column so.")
    kind = schema.field("image").type
    held = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(held) or pa.types.is_large_binary(held)):
        raise DataError(f"{path}: column 'image' is {kind}; it must be struct<bytes, path> or binary.")
    return file


def _labels(path: Path, file: pq.ParquetFile) -> list[int | str | None]:
    """The labels of a file as they stand: integers, names, or None."""
    schema = file.schema_arrow
    if "label" not in schema.names:
        return [None] * file.metadata.num_rows
    kind = schema.field("label").type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise DataError(f"{path}: column 'label' is {kind}; it must hold an integer, a class name or a list per image.")
    # Hugging Face marks an image without label with -1.
    return [None if value == -1 else value for value in _column(path, file)]


def _column(path: Path, file: pq.ParquetFile) -> list[Any]:
    try:
        values: list[Any] = file.read(columns=["label"]).column("label").to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}); mend or remove it.") from error
    return values


def _classes(
    files: Sequence[Path], opened: Sequence[pq.ParquetFile], labels: Sequence[Sequence[int | str | None]], names: Path
) -> tuple[str, ...]:
    used = {value for column in labels for value in column if value is not None}
    if not used:
        return ()
    if all(isinstance(value, str) for value in used):
        return tuple(sorted(map(str, used)))
    if any(isinstance(value, str) for value in used):
        raise DataError(f"{files[0].parent}: column 'label' holds names in some files and integers in others.")
    declared = [found for file in opened if (found := _declared(file.schema_arrow))]
    if any(found != declared[0] for found in declared):
        raise DataError(f"{files[0].parent}: its Parquet files declare different class names; make them agree.")
    if declared:
        return declared[0]
    if names.is_file():
        return _listed(names)
    return tuple(str(i) for i in range(int(np.max([int(value) for value in used])) + 1))


def _declared(schema: pa.Schema) -> tuple[str, ...]:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return tuple(str(name) for name in features["label"]["names"])
    except (KeyError, TypeError, ValueError):
        return ()


def _listed(path: Path) -> tuple[str, ...]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        classes = content["classes"] if isinstance(content, dict) else content
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("no list of names")
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be used ({error}); write the names as {{'classes': [...]}}.") from error
    return tuple(classes)


def _check(path: Path, column: Sequence[int | None], classes: tuple[str, ...]) -> None:
    for row, label in enumerate(column):
        if label is not None and not 0 <= label < len(classes):
            raise DataError(f"{path}, row {row}: label {label} is out of range; there are {len(classes)} classes.")


def _examples(path: Path, file: pq.ParquetFile, labels: Sequence[int | None], split: str | None) -> Iterator[Example]:
    row = 0
    try:
        for batch in file.iter_batches(batch_size=ROWS, columns=["image"]):
            for image in batch.column("image").to_pylist():
                content = image.get("bytes") if isinstance(image, dict) else image
                named = image.get("path") if isinstance(image, dict) else None
                where = f"{path}, row {row}" + (f" ({named})" if named else "")
                if not content:
                    raise DataError(f"{where} has no image bytes; embed the image in the file or drop the row.")
                yield Example(content, where, labels[row], split)
                row += 1
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read after row {row} ({error}); mend or remove it.") from error
