"""One Parquet or Arrow file of images: its columns, and what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import PARQUET, head_of, kind_of
from hpt_ray.data.classes import LONGEST, too_long
from hpt_ray.data.datasets import _parquet_columns as columns
from hpt_ray.data.datasets._arrow import ArrowFile
from hpt_ray.data.datasets._column_names import may_be_group, may_be_label, may_be_split
from hpt_ray.data.groups import of_cell
from hpt_ray.data.place import Place

#: A label may be as large: the classes up to it are all numbered where they have no names.
MOST = 1_000_000


@dataclass(frozen=True)
class Table:
    """A file whose columns are known; it is opened again whenever something is read.

    Attributes:
        rows: How many images it has.
        image: The column of images.
        label: The column of labels; None where there is none, or where ``candidates`` are several.
        candidates: The columns that may hold the labels.
        splits: "train", "val", "test" or None of each row; None without a column of splits.
        group: The column of groups, None without one.
        remarks: What a user should know of how the columns were understood.
    """

    path: Path
    schema: pa.Schema
    rows: int
    image: str
    label: str | None
    candidates: tuple[str, ...]
    splits: list[str | None] | None
    group: str | None
    remarks: tuple[str, ...]

    @property
    def multilabel(self) -> bool:
        """Whether an image has a list of integers for its label."""
        return self.label is not None and columns.is_list(self.schema.field(self.label).type)

    def where(self, row: int) -> str:
        """What names a row in an error."""
        return f"{self.path}, row {row}"

    def labels(self) -> list[int | str | None]:
        """One label an image as it is written: an integer, a name, or None.

        Raises:
            DataError: for labels of another type.
        """
        kind = pa.null() if self.label is None else self.schema.field(self.label).type
        if self.label is None or pa.types.is_null(kind):
            return [None] * self.rows
        if not columns.is_one(kind):
            raise DataError(
                f"{self.path}: column {self.label!r} is {kind}; it must hold an integer, a class name or a list per "
                "image."
            )
        # Hugging Face marks an image without label with -1.
        values = [None if value == -1 else value for value in self.column(self.label)]
        for row, value in enumerate(values):
            if isinstance(value, str) and len(value) > LONGEST:
                raise DataError(f"{self.path}, row {row}: {too_long(value)}.")
            if isinstance(value, int) and value > MOST:
                raise DataError(f"{self.path}, row {row}: label {value} is out of range; number the classes from 0.")
        return values

    def declared(self) -> tuple[str, ...]:
        """The class names in the Hugging Face metadata; () without."""
        return () if self.label is None else columns.declared(self.path, self.schema, self.label)

    @property
    def unused(self) -> dict[str, str]:
        """The type of each column that is called like one of groups and is none."""
        called = [name for name in self.schema.names if may_be_group(name) and name != self.group]
        return {name: str(self.schema.field(name).type) for name in called}

    def groups(self) -> list[str | None]:
        """The group of each row as text; None where it is empty, or where there is no column of groups."""
        if self.group is None:
            return [None] * self.rows
        return [of_cell(value) for value in self.column(self.group)]

    def column(self, name: str) -> list[Any]:
        return list(columns.values(self.path, name))

    def images(self) -> Iterator[tuple[bytes | Place, str, str]]:
        """The encoded bytes of each image or where they stand, what names it in an error, and its path or ""."""
        row = 0
        try:
            with columns.opened(self.path) as file:
                for batch in file.iter_batches(batch_size=columns.ROWS, columns=[self.image]):
                    column = batch.column(self.image)
                    places = file.places(column) if isinstance(file, ArrowFile) else [None] * len(column)
                    for image, place in zip(column.to_pylist(), places, strict=True):
                        content = image.get("bytes") if isinstance(image, dict) else image
                        named = image.get("path") if isinstance(image, dict) else None
                        where = f"{self.path}, row {row}" + (f" ({named})" if named else "")
                        if not content:
                            raise DataError(f"{where} has no image bytes; embed the image in the file or drop the row.")
                        yield place or content, where, named or ""
                        row += 1
        except (OSError, ValueError, pa.ArrowException) as error:
            raise DataError(f"{self.path} cannot be read after row {row} ({error}); mend or remove it.") from error


def table(path: Path) -> Table:
    """Look at a file: its columns, and the splits if it has a column of them.

    Raises:
        DataError: for a file that is no Parquet, has no column of images, or has several columns for one thing.
    """
    try:
        with columns.opened(path) as file:
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
    image = columns.image_column(path, schema)
    for name in names:
        if names.count(name) > 1 and (name == image or may_be_label(name) or may_be_split(name) or may_be_group(name)):
            raise DataError(f"{path} has {names.count(name)} columns called {name!r}; keep one of them.")
    kind = schema.field(image).type
    if pa.types.is_struct(kind) and len({field.name for field in kind}) < kind.num_fields:
        raise DataError(f"{path}: column {image!r} is {kind}, with two fields of one name; keep one of them.")
    if not columns.may_hold_images(kind):
        raise DataError(f"{path}: column {image!r} is {kind}; it must be struct<bytes, path> or binary.")
    candidates = ["label"] if "label" in names else [name for name in names if columns.may_hold_labels(schema, name)]
    label = candidates[0] if len(candidates) == 1 else None
    column, splits = columns.splits(path, schema)
    grouped = [name for name in names if may_be_group(name) and columns.may_hold_groups(schema.field(name).type)]
    if len(grouped) > 1:
        raise DataError(
            f"{path} has several columns for the group ({', '.join(map(repr, grouped))}); keep one of them."
        )
    group = grouped[0] if grouped else None
    remarks = [f"its images are from the column {image!r}"] if image != "image" else []
    if column is not None and not may_be_split(column):
        remarks.append(f"its splits are from the column {column!r}")
    return Table(path, schema, rows, image, label, tuple(candidates), splits, group, tuple(remarks))
