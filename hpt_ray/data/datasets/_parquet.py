"""One Parquet or Arrow file: which of its columns hold the images, the labels and the splits, and what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import PARQUET, head_of, kind_of
from hpt_ray.data.classes import LONGEST, too_long
from hpt_ray.data.datasets._arrow import ArrowFile
from hpt_ray.data.datasets._columns import may_be_label, may_be_split
from hpt_ray.data.records import SPELLINGS

#: Rows in memory at a time.
ROWS = 256
#: A label may be as large: the classes up to it are all numbered where they have no names.
MOST = 1_000_000
#: As much is shown, in characters, of what is no list of names.
SHOWN = 100
#: Columns of splits whatever is in them; others of such names are, if all their values are splits.
SPLITS = ("split", "splits")


@dataclass(frozen=True)
class Table:
    """A file whose columns are known; it is opened anew whenever something is read.

    Attributes:
        rows: How many images it has.
        label: The column of labels; None where there is none, or where ``candidates`` are several.
        candidates: The columns that may hold the labels.
        splits: "train", "val", "test" or None of each row; None without a column of splits.
    """

    path: Path
    schema: pa.Schema
    rows: int
    label: str | None
    candidates: tuple[str, ...]
    splits: list[str | None] | None

    @property
    def multilabel(self) -> bool:
        """Whether an image has a list of integers for its label."""
        return self.label is not None and _is_list(self.schema.field(self.label).type)

    def where(self, row: int) -> str:
        """What names a row in an error."""
        return f"{self.path}, row {row}"

    def labels(self) -> list[int | str | None]:
        """One label an image as it is written: an integer, a name, or None.

        Raises:
            DataError: for labels of another type.
        """
        if self.label is None:
            return [None] * self.rows
        kind = self.schema.field(self.label).type
        if not _is_one(kind):
            raise DataError(
                f"{self.path}: column {self.label!r} is {kind}; it must hold an integer, a class name or a list per "
                "image."
            )
        # Hugging Face marks an image without label with -1.
        found = [None if value == -1 else value for value in self.column(self.label)]
        for row, value in enumerate(found):
            if isinstance(value, str) and len(value) > LONGEST:
                raise DataError(f"{self.path}, row {row}: {too_long(value)}.")
            if isinstance(value, int) and value > MOST:
                raise DataError(f"{self.path}, row {row}: label {value} is out of range; number the classes from 0.")
        return found

    def declared(self) -> tuple[str, ...]:
        """The class names in the Hugging Face metadata; () without."""
        return () if self.label is None else _declared(self.path, self.schema, self.label)

    def column(self, name: str) -> list[Any]:
        return _column(self.path, name)

    def images(self) -> Iterator[tuple[bytes, str]]:
        """The encoded bytes of each image, and what names it in an error."""
        row = 0
        try:
            with opened(self.path) as file:
                for batch in file.iter_batches(batch_size=ROWS, columns=["image"]):
                    for image in batch.column("image").to_pylist():
                        content = image.get("bytes") if isinstance(image, dict) else image
                        named = image.get("path") if isinstance(image, dict) else None
                        where = f"{self.path}, row {row}" + (f" ({named})" if named else "")
                        if not content:
                            raise DataError(f"{where} has no image bytes; embed the image in the file or drop the row.")
                        yield content, where
                        row += 1
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{self.path} cannot be read after row {row} ({error}); mend or remove it.") from error


def table(path: Path) -> Table:
    """Look at a file: its columns, and the splits if it has a column of them.

    Raises:
        DataError: for a file that is no Parquet, has no column of images, or has several columns for one thing.
    """
    try:
        with opened(path) as file:
            schema = file.schema_arrow
            rows = file.num_rows if isinstance(file, ArrowFile) else file.metadata.num_rows
    except (OSError, EOFError, pa.ArrowException) as error:
        wanted = "Arrow" if path.suffix.lower() == ".arrow" else "Parquet"
        if path.is_file() and (kind := kind_of(head_of(path), expected=PARQUET)):
            raise DataError(
                f"{path} is not of {wanted} but {kind.what}: {kind.remedy or 'remove it, or give another'}."
            ) from error
        raise DataError(f"{path} cannot be read as {wanted} ({error}); mend or remove it.") from error
    names = schema.names
    if "image" not in names:
        raise DataError(f"{path} has no column 'image' (it has: {', '.join(names)}); name its image column so.")
    for name in names:
        if names.count(name) > 1 and (name == "image" or may_be_label(name) or may_be_split(name)):
            raise DataError(f"{path} has {names.count(name)} columns called {name!r}; keep one of them.")
    kind = schema.field("image").type
    if pa.types.is_struct(kind) and len({field.name for field in kind}) < kind.num_fields:
        raise DataError(f"{path}: column 'image' is {kind}, with two fields of one name; keep one of them.")
    held = kind.field("bytes").type if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0 else kind
    if not (pa.types.is_binary(held) or pa.types.is_large_binary(held)):
        raise DataError(f"{path}: column 'image' is {kind}; it must be struct<bytes, path> or binary.")
    candidates = ["label"] if "label" in names else [name for name in names if _may_label(schema, name)]
    label = candidates[0] if len(candidates) == 1 else None
    return Table(path, schema, rows, label, tuple(candidates), _splits(path, schema))


def opened(path: Path) -> ArrowFile | pq.ParquetFile:
    """A file by its suffix, open."""
    return ArrowFile(path) if path.suffix.lower() == ".arrow" else pq.ParquetFile(path)


def _may_label(schema: pa.Schema, name: str) -> bool:
    kind = schema.field(name).type if may_be_label(name) else pa.null()
    return _is_one(kind) or _is_list(kind)


def _is_one(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and bool(
        pa.types.is_integer(kind.value_type) or pa.types.is_null(kind.value_type)  # all are empty
    )


def _splits(path: Path, schema: pa.Schema) -> list[str | None] | None:
    found = {}
    for name in filter(may_be_split, schema.names):
        written = _column(path, name)
        classes = _declared(path, schema, name)
        if classes:
            written = [classes[i] if isinstance(i, int) and 0 <= i < len(classes) else i for i in written]
        values = [str(value).strip().lower() if value is not None else "" for value in written]
        strange = [row for row, value in enumerate(values) if value and value not in SPELLINGS]
        if strange and name.lower() in SPLITS:
            row = strange[0]
            raise DataError(f"{path}, row {row}: {name} {written[row]!r} is none of train, val, test.")
        if any(values) and not strange:
            found[name] = values
    if len(found) > 1:
        raise DataError(f"{path} has several columns for the split ({', '.join(map(repr, found))}); keep one of them.")
    return next(([SPELLINGS.get(value) for value in values] for values in found.values()), None)


def _column(path: Path, name: str) -> list[Any]:
    try:
        with opened(path) as file:
            values: list[Any] = file.read(columns=[name]).column(name).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}); mend or remove it.") from error
    return values


def _declared(path: Path, schema: pa.Schema, column: str) -> tuple[str, ...]:
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    except RecursionError as error:
        raise DataError(f"{path}: its Hugging Face metadata is nested too deep; mend or remove it.") from error
    if names is None:
        return ()
    if not isinstance(names, list) or not all(isinstance(name, str | int) for name in names):
        raise DataError(
            f"{path}: its Hugging Face metadata has no list of names for the classes of {column!r}, but "
            f"{json.dumps(names)[:SHOWN]}; mend or remove it."
        )
    return tuple(map(str, names))
