"""The table of an image list: its delimiter is detected, and its columns are identified by the names in its header.

Without a header the columns are path, label and split, in this order. The delimiter is the one with which the first
lines have a known header, or name existing files.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import head_of, kind_of, placeholder
from hpt_ray.data.datasets._column_names import column_of, may_be_label
from hpt_ray.data.decode import SUFFIXES
from hpt_ray.data.records import SPELLINGS, split_name

#: Of a list without a header.
ORDER = ("path", "label", "split")
DELIMITERS = ",;\t| "
#: The values of columns that say yes or no.
YES_NO = {"0", "1", "0.0", "1.0", "true", "false", "yes", "no", "t", "f", "y", "n"}
#: Lines that are examined to detect the delimiter.
LOOKED_AT = 20


@dataclass(frozen=True)
class Line:
    """One line of a list: its number in the file, and its path, label, split and group as they are written there."""

    number: int
    path: str
    label: str
    split: str
    group: str = ""


@dataclass(frozen=True)
class Table:
    """A list as it was read.

    Attributes:
        classes: the classes of several labels an image, where a header names them.
        usual: the columns are in the order of a list without a header.
        recognised: the splits are from a column that is identified by its values and not by its name.
        grouped: the column of groups; "" without one.
        remarks: what a user should know of how it was read.
    """

    lines: list[Line]
    classes: tuple[str, ...]
    usual: bool
    recognised: bool
    grouped: str
    remarks: tuple[str, ...]


def table(path: Path) -> Table:
    """Read a list.

    Raises:
        DataError: for a file that is no text, and a header that does not tell where the labels are.
    """
    try:
        head = head_of(path)
        # A placeholder of the list is text, too: its lines would be taken for paths.
        if kind := placeholder(head):
            raise DataError(f"{path} is not an image list but {kind.what}: {kind.remedy}.")
        text = path.read_text(encoding="utf-8-sig")
        rows = list(_rows(text, _delimiter(path, text)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, UnicodeDecodeError) and (kind := kind_of(head)):
            raise DataError(
                f"{path} is not an image list but {kind.what}: {kind.remedy or 'write UTF-8 text, one image per line'}."
            ) from error
        raise DataError(
            f"{path} cannot be read as an image list ({error}); write UTF-8 text, one image per line."
        ) from error
    if not rows or not _is_header(rows[0][1]):
        _check_paths(path, [cells for _, cells in rows[:LOOKED_AT]])
        return Table([_line(path, number, cells, ORDER) for number, cells in rows], (), True, False, "", ())
    header = rows[0][1]
    named = _columns(path, header)
    columns = _with_splits(path, header, named, [cells for _, cells in rows[1:]])
    listed = next((cell for cell in header if "," in cell), "")
    extra = [cell for cell, column in zip(header, columns, strict=True) if column is None and cell]
    ended = [cell for cell, column in zip(header, columns, strict=True) if column == "label" and not _is_label(cell)]
    return Table(
        lines=[_line(path, number, cells, columns) for number, cells in rows[1:]],
        classes=tuple(name.strip() for name in listed.split(",")) if listed else (),
        usual=columns == ORDER[: len(columns)],
        recognised=columns != named,
        grouped=next((cell for cell, column in zip(header, columns, strict=True) if column == "group"), ""),
        remarks=(
            *(f"its labels are from the column {cell!r}" for cell in ended),
            *(
                f"its splits are from the column {cell!r}"
                for cell, before, column in zip(header, named, columns, strict=True)
                if before != column
            ),
            *([f"columns passed over: {', '.join(extra)}"] if extra else []),
        ),
    )


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Lines by their number, without comments, empty ones and a spreadsheet's ``sep=;``."""
    for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True), 1):
        cells = [cell.strip() for cell in row]
        named = number == 1 and cells[:1] != [] and cells[0].lower().startswith("sep=")
        if any(cells) and not cells[0].startswith("#") and not named:
            yield number, cells


def _delimiter(path: Path, text: str) -> str:
    first = text.lstrip().split("\n", 1)[0]
    if first.lower().startswith("sep=") and len(first) == 5:
        return first[4]
    for delimiter in DELIMITERS:
        rows = [cells for _, cells in itertools.islice(_rows(text, delimiter), LOOKED_AT)]
        if rows and (_is_header(rows[0]) or any(_is_file(path.parent, cells[0]) for cells in rows)):
            return delimiter
    return ","


def _is_file(folder: Path, name: str) -> bool:
    try:
        return (folder / name).is_file() or (folder / name.replace("\\", "/")).is_file()
    except (OSError, ValueError):
        return False


def _is_label(cell: str) -> bool:
    return "," in cell or column_of(cell) == "label"


def _is_header(cells: Sequence[str]) -> bool:
    return any(column_of(cell) == "path" for cell in cells)


def _columns(path: Path, header: Sequence[str]) -> tuple[str | None, ...]:
    """The meaning of each column; None for one that is ignored."""
    columns = tuple("label" if _is_label(cell) else column_of(cell) for cell in header)
    if "label" not in columns:
        columns = tuple(
            column or ("label" if may_be_label(cell) else None) for column, cell in zip(columns, header, strict=True)
        )
    for column in (*ORDER, "group"):
        if columns.count(column) > 1:
            names = [repr(cell) for cell, known in zip(header, columns, strict=True) if known == column]
            raise DataError(f"{path} has several columns for the {column} ({', '.join(names)}); keep one of them.")
    unknown = [repr(cell) for cell, known in zip(header, columns, strict=True) if known is None and cell]
    if unknown and "label" not in columns:
        raise DataError(
            f"{path}: column {', '.join(unknown[:5])} is none of path, label, split and group; call the column of "
            'labels \'label\' (of several labels an image: one column "cat,dog" with "1,0"), and remove what is none.'
        )
    return columns


def _with_splits(
    path: Path, header: Sequence[str], columns: tuple[str | None, ...], rows: Sequence[Sequence[str]]
) -> tuple[str | None, ...]:
    """The columns, with one of splits if none is called so and all values of one, whatever its name, are splits.

    Raises:
        DataError: where a column says yes or no to a split (``is_test``), or where several are like splits.
    """
    if "split" in columns:
        return columns
    split_columns = []
    for position, (cell, column) in enumerate(zip(header, columns, strict=True)):
        values = {row[position].lower() for row in rows if len(row) > position} if column is None else set()
        if are_splits(values):
            split_columns.append(position)
        elif are_yes_or_no(cell, values):
            raise DataError(f"{path}: {tells_splits_apart(cell)}")
    if len(split_columns) > 1:
        names = ", ".join(repr(header[position]) for position in split_columns)
        raise DataError(f"{path} has several columns for the split ({names}); call one of them 'split'.")
    return tuple("split" if position in split_columns else column for position, column in enumerate(columns))


def are_splits(values: Collection[str]) -> bool:
    """Whether all values, in lower case, are names of splits; an empty one is none."""
    return any(values) and all(not value or value in SPELLINGS for value in values)


def are_yes_or_no(name: str, values: Collection[str]) -> bool:
    """Whether a column is called after a split, and its values in lower case say yes or no: ``is_test``, ``train``."""
    return split_name(name) is not None and any(values) and all(not value or value in YES_NO for value in values)


def tells_splits_apart(name: str) -> str:
    """What is wrong with a column of yes and no, and what to do; to be said after the file."""
    return (
        f"the column {name!r} seems to tell the splits apart; write them as a column 'split' with train, val and test, "
        "or remove it."
    )


def _check_paths(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Refuse a list without a known header whose paths are in another column than the first.

    Raises:
        DataError: says in which column they are.
    """
    first = rows[0] if rows else ()
    if not first or _is_file(path.parent, first[0]):
        return
    for place, cell in enumerate(first):
        if any(len(row) > place and _is_file(path.parent, row[place]) for row in rows[1:]):
            is_path = Path(cell).suffix.lower() in SUFFIXES
            if place == 0 and is_path:  # of the first image, which is missing
                return
            names = "the first line names no" if not is_path else "without a header the first is the"
            raise DataError(
                f"{path}: its column {place + 1} holds paths of images, but {names} column 'path'; write a first line "
                "with the names of the columns, such as path,label."
            )


def _line(path: Path, number: int, cells: Sequence[str], columns: Sequence[str | None]) -> Line:
    if len(cells) > len(columns):
        raise DataError(
            f"{path}, line {number} has {len(cells)} columns; write {','.join(filter(None, columns))} and quote what "
            "has commas."
        )
    cell_of = {column: cell for column, cell in zip(columns, cells, strict=False) if column}
    return Line(number, *(cell_of.get(column, "") for column in (*ORDER, "group")))
