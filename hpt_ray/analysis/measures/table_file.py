"""A table of anyone's results in a file: CSV, TSV or Parquet, every cell of a text file as it is written.

Names stay as they are written: a model called "None" or "1e-4" is no missing value and no number. What is to be a
number is read as one where it is used (``column_values.numeric``).
"""

from __future__ import annotations

import csv
import io

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from hpt_ray.core.errors import DataError
from hpt_ray.core.paths import path_of

KINDS = "a table of results as .csv, .tsv or .parquet"
#: The likeliest first: a spreadsheet of many languages writes semicolons, and commas in its numbers.
SEPARATORS = ",;\t"
WHOLE, DECIMAL_COMMA = r"^[-+]?\d*$", r"^[-+]?\d*,\d+([eE][-+]?\d+)?$"
#: What pandas calls the numbers of rows where they are written to a file as a column.
ROW_NUMBERS = "index", "Unnamed: 0"


def load(file: str) -> pd.DataFrame:
    """The table in a file, its rows numbered from 0 as they stand there.

    Raises:
        DataError: for a file that does not exist, is of another kind, cannot be read, or has no rows.
    """
    path = path_of(file)
    if not path.is_file():
        raise DataError(f"{file}: {'not a file' if path.exists() else 'no such file'}. Give {KINDS}.")
    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".parquet"):
        raise DataError(f"{file}: not a table that can be read. Give {KINDS}.")
    try:
        table = _with_index(pd.read_parquet(path)) if kind == ".parquet" else _delimited(path.read_bytes())
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not in UTF-8: save it as CSV in UTF-8.") from error
    except (ValueError, OSError, csv.Error, pa.ArrowException) as error:
        reason = str(error).split("\n", 1)[0].rstrip(".")
        raise DataError(f"{file} cannot be read: {reason}. Is it the table that was meant?") from error
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{file}: two columns are called {twice!r}. Rename one of them.")
    if table.empty:
        raise DataError(f"{file} has no rows.")
    return table.drop(columns=[name for name in ROW_NUMBERS if name in table and _numbers_rows(table[name])])


def _with_index(table: pd.DataFrame) -> pd.DataFrame:
    """A table of Parquet with the named parts of its index as columns, and the names of columns as text."""
    named = table.reset_index([name for name in table.index.names if name is not None])
    named = named.reset_index(drop=True)
    return named.set_axis(named.columns.map(str), axis=1)


def _delimited(content: bytes) -> pd.DataFrame:
    """A table of text whose cells are separated by commas, semicolons or tabs; an empty cell is missing."""
    text = content.decode("utf-8-sig").lstrip()
    headers = {each: next(csv.reader(io.StringIO(text, newline=None), delimiter=each), []) for each in SEPARATORS}
    separator = max(headers, key=lambda each: len(headers[each]))
    names = headers[separator]
    if not names:
        raise ValueError("it is empty")
    columns = arrow_csv.read_csv(
        pa.BufferReader(text.encode()),
        parse_options=arrow_csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    ).columns
    stripped = [pc.utf8_trim_whitespace(column) for column in columns]
    cells = [pc.if_else(pc.equal(column, ""), None, column) for column in stripped]
    if separator != ",":
        cells = [_with_points(column) for column in cells]
    labels = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(names)]
    table: pd.DataFrame = pd.concat([column.to_pandas() for column in cells], axis=1).set_axis(labels, axis=1)
    return table.dropna(how="all")


def _with_points(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers with decimal commas, with points instead; any other column as it is."""
    commas = pc.match_substring_regex(column, DECIMAL_COMMA)
    numbers = pc.all(pc.or_(commas, pc.match_substring_regex(column, WHOLE))).as_py()
    return pc.replace_substring(column, ",", ".") if numbers and pc.any(commas).as_py() else column


def _numbers_rows(column: pd.Series) -> bool:
    """Whether a column does nothing but count the rows, from 0 or from 1."""
    numbers = pd.to_numeric(column.astype(str), errors="coerce")
    return any(bool((numbers == column.index + first).all()) for first in (0, 1))
