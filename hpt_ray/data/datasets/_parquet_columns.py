"""Which columns of a table hold images, labels and splits: known by name, else by what is in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt_ray.core.errors import DataError
from hpt_ray.data.datasets._arrow import ArrowFile
from hpt_ray.data.datasets._column_names import may_be_label, may_be_split
from hpt_ray.data.datasets._columns import are_splits, are_yes_or_no, tells_splits_apart
from hpt_ray.data.datasets._walk import begins_like_an_image
from hpt_ray.data.records import SPELLINGS

#: Rows in memory at a time.
ROWS = 256
#: As much is shown, in characters, of what is no list of names.
SHOWN = 100
#: Columns of splits whatever is in them; others of such names are, if all their values are splits.
SPLITS = ("split", "splits")


def image_column(path: Path, schema: pa.Schema) -> str:
    """The column of images: ``image``, else the only one whose first value begins as an image does.

    Raises:
        DataError: where there is none, or several.
    """
    if "image" in schema.names:
        return "image"
    candidates = [str(field.name) for field in schema if may_hold_images(field.type) and _begins(path, field.name)]
    if len(candidates) > 1:
        raise DataError(
            f"{path} has several columns of images ({', '.join(map(repr, candidates))}); call one of them 'image'."
        )
    if not candidates:
        raise DataError(
            f"{path} has no column 'image' and no other of images, as binary or struct<bytes, path> (it has: "
            f"{', '.join(schema.names)}); embed the images in one."
        )
    return candidates[0]


def may_hold_images(kind: pa.DataType) -> bool:
    """Whether a type is bytes, or a struct with a field ``bytes`` of them."""
    if pa.types.is_struct(kind) and kind.get_all_field_indices("bytes"):
        kind = kind.field(kind.get_all_field_indices("bytes")[0]).type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _begins(path: Path, name: str) -> bool:
    """Whether the first value of a column begins as an image does."""
    for value in values(path, name, rows=1):
        content = value.get("bytes") if isinstance(value, dict) else value
        if content:
            return begins_like_an_image(content[:16])
    return False


def may_hold_labels(schema: pa.Schema, name: str) -> bool:
    """Whether a column is called like labels, and has a type that they have."""
    kind = schema.field(name).type if may_be_label(name) else pa.null()
    return is_one(kind) or is_list(kind)


def is_one(kind: pa.DataType) -> bool:
    """Whether a type is that of one label: an integer or a name."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def may_hold_groups(kind: pa.DataType) -> bool:
    """Whether a type is that of the name of a group: an integer, text, or a float that stands for an integer."""
    return is_one(kind) or bool(pa.types.is_floating(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is that of several labels: a list of integers."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind)) and bool(
        pa.types.is_integer(kind.value_type) or pa.types.is_null(kind.value_type)  # all are empty
    )


def splits(path: Path, schema: pa.Schema) -> tuple[str | None, list[str | None] | None]:
    """The column of splits and what is in it: one that is called so, else the only one that holds nothing but splits.

    Raises:
        DataError: for a value that is no split, several columns, and one of yes and no (``is_test``).
    """
    by_column = {}
    for name in filter(may_be_split, schema.names):
        written = list(values(path, name))
        classes = declared(path, schema, name)
        if classes:
            written = [classes[i] if isinstance(i, int) and 0 <= i < len(classes) else i for i in written]
        texts = [_text(value) for value in written]
        strange = [row for row, text in enumerate(texts) if text and text not in SPELLINGS]
        if strange and name.lower() in SPLITS:
            row = strange[0]
            raise DataError(f"{path}, row {row}: {name} {written[row]!r} is none of train, val, test.")
        if any(texts) and not strange:
            by_column[name] = texts
    by_column = by_column or _recognised(path, schema)
    if len(by_column) > 1:
        raise DataError(
            f"{path} has several columns for the split ({', '.join(map(repr, by_column))}); keep one of them."
        )
    for name, texts in by_column.items():
        return name, [SPELLINGS.get(text) for text in texts]
    return None, None


def _recognised(path: Path, schema: pa.Schema) -> dict[str, list[str]]:
    """The columns whose values all are splits, whatever they are called."""
    by_column = {}
    for name in schema.names:
        kind = schema.field(name).type if schema.names.count(name) == 1 and not may_be_label(name) else pa.null()
        texts: list[str] = []
        if pa.types.is_boolean(kind) or is_one(kind):
            for text in map(_text, values(path, name)):
                if text and not (are_splits([text]) or are_yes_or_no(name, [text])):
                    texts = []
                    break
                texts.append(text)
        if are_splits(texts):
            by_column[name] = texts
        elif are_yes_or_no(name, texts):
            raise DataError(f"{path}: {tells_splits_apart(name)}")
    return by_column


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip().lower()


def opened(path: Path) -> ArrowFile | pq.ParquetFile:
    """A file by its suffix, open."""
    return ArrowFile(path) if path.suffix.lower() == ".arrow" else pq.ParquetFile(path)


def values(path: Path, name: str, rows: int = ROWS) -> Iterator[Any]:
    """The values of a column, of which ``rows`` are read at a time.

    Raises:
        DataError: for a file that cannot be read.
    """
    try:
        with opened(path) as file:
            for batch in file.iter_batches(batch_size=rows, columns=[name]):
                yield from batch.column(name).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read ({error}); mend or remove it.") from error


def declared(path: Path, schema: pa.Schema, column: str) -> tuple[str, ...]:
    """The class names of a column in the Hugging Face metadata; () without.

    Raises:
        DataError: for metadata that are damaged.
    """
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
