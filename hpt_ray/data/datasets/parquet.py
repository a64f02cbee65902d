"""Parquet files in the Hugging Face image layout: ``image`` = struct<bytes, path>, optionally ``label`` and ``split``.

Without a column ``image`` the only one that holds images, as struct<bytes, ...> or binary, is taken.
A label is an integer or a class name or, of several labels an image, a list with 1, 0 or -1 (unknown) for each class.
Without a column ``label`` the only one whose name ends like it (``labels``, ``fine_label``, ``class``) is taken.

A column ``split`` gives the splits. Else a file whose name says train, val (validation, valid, dev) or test gives that
split, or the folder that it lies in (``split=train/0.parquet``). A column ``group`` says which images belong together,
as those of one ``patient_id`` do. The names of the classes are taken from the Hugging Face metadata of the schema, else
from ``classes.json`` beside the files.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data import cache
from hpt_ray.data.datasets._names import classes, names_in, numbers
from hpt_ray.data.datasets._shards import Shards, shards
from hpt_ray.data.datasets._table import Table, table
from hpt_ray.data.records import Example, Records, Source

#: As many columns are named that nothing is known of.
NAMED = 5


def dataset(argument: str | None) -> Source:
    """A Parquet file, or several: a folder with some, or a pattern (``data/{train,test}-*.parquet``)."""
    return tables(shards("parquet", argument, ".parquet"))


def tables(shards: Shards, named_by: str = "its file names") -> Source:
    """The data set in files that hold tables.

    Args:
        named_by: What gives the splits where no column does: completes "given by ...".

    Raises:
        DataError: for a file that cannot be read, and for columns that are not what they should be.
    """
    names = shards.folder / "classes.json"
    content = cache.fingerprint([*shards.files, names] if names.is_file() else shards.files, shards.folder)
    parts = [table(file) for file in shards.files]
    named = shards.splits()
    given = [part.splits or [split] * part.rows for part, split in zip(parts, named, strict=True)]
    by_column = any(part.splits for part in parts)
    elsewhere = sorted({part.label for part in parts if part.label is not None} - {"label"})
    if elsewhere or any(set(splits) - {split} for splits, split in zip(given, named, strict=True)):
        # What the cache may hold of them from before these columns were read is something else.
        content = content_id(["columns", content], length=32)
    if noted := sorted({remark for part in parts for remark in part.remarks}):
        content = content_id(["recognised", content], length=32)
    grouped = sorted({repr(part.group) for part in parts if part.group is not None})
    if grouped:
        content = content_id(["groups", content], length=32)
    several = sorted({name for part in parts if part.label is None for name in part.candidates})
    doubt = (
        f"several columns that may be its labels ({', '.join(map(repr, several))}) and none called 'label'; call one so"
    )
    remarks = [*noted, *([f"it has {doubt}"] if several else [])]
    if elsewhere:
        remarks.append(f"its labels are from the column {', '.join(map(repr, elsewhere))}")
    unused = {name: kind for part in parts for name, kind in part.unused.items()}
    remarks += [
        f"its column {name!r} is {kind}, which names no groups; write an integer or a name in each row"
        for name, kind in unused.items()
    ]
    ungrouped = sum(part.group is None for part in parts)
    if grouped and ungrouped:
        remarks.append(
            f"no column of groups in {ungrouped:,} of its {len(parts):,} files: each image there is taken as alone"
        )
    return Source(
        shards.name,
        content,
        lambda: _read(parts, given, names),
        labels=doubt if several else f"no labels{_unknown(parts)}",
        given_by="its column of splits" if by_column else named_by,
        remarks=(*remarks, *shards.remarks()),
        grouped_by=f"the column {', '.join(grouped)}" if grouped else "",
        folder=str(shards.folder.absolute()),
    )


def _unknown(tables: Sequence[Table]) -> str:
    """The columns that nothing is known of, where none is of labels: completes "no labels"."""
    others = sorted({name for part in tables if part.label is None for name in part.schema.names if name != part.image})
    return f" in a column 'label' (it has others: {', '.join(others[:NAMED])})" if others else ""


def _read(tables: Sequence[Table], splits: Sequence[Sequence[str | None]], names: Path) -> Records:
    if any(part.multilabel for part in tables):
        return _targets(tables, splits, names)
    labels = [part.labels() for part in tables]
    declared = [class_names for part in tables if (class_names := part.declared())]
    known = classes(tables[0].path.parent, itertools.chain.from_iterable(labels), declared, names)
    indices = [numbers(column, known, part.where) for part, column in zip(tables, labels, strict=True)]
    return Records(
        count=sum(map(len, indices)),
        classes=known,
        examples=(
            Example(image, where, label, split, name=name, group=group)
            for part, column, given in zip(tables, indices, splits, strict=True)
            for (image, where, name), label, split, group in zip(
                part.images(), column, given, part.groups(), strict=True
            )
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
    listed = names_in(names) if names.is_file() else ()
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
            Example(image, where, None, split, _marks(value), name, group)
            for part, column, given in zip(tables, columns, splits, strict=True)
            for (image, where, name), value, split, group in zip(
                part.images(), column, given, part.groups(), strict=True
            )
        ),
        multilabel=count > 0,
    )


def _marks(value: Sequence[int | None] | None) -> tuple[int, ...] | None:
    """Several labels as targets; an empty list is none."""
    return tuple(-1 if mark is None else mark for mark in value) if value else None
