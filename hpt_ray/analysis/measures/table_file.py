"""A table of anyone's results in a file: CSV, TSV or Parquet."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from hpt_ray.core.errors import DataError
from hpt_ray.core.paths import path_of

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def load(file: str) -> pd.DataFrame:
    """The table in a file, with the names of its columns as text.

    Raises:
        DataError: for a file that does not exist, is of another kind, cannot be read, or has no rows.
    """
    path = path_of(file)
    if not path.is_file():
        raise DataError(f"{file}: no such file. Give a table of results as .csv, .tsv or .parquet.")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix in SEPARATORS:
            table = pd.read_csv(path, sep=SEPARATORS[path.suffix])
            if len(table.columns) == 1 and ";" in table.columns[0]:  # as a spreadsheet of many languages writes it
                table = pd.read_csv(path, sep=";")
        else:
            raise DataError(f"{file}: not a table that can be read. Give .csv, .tsv or .parquet.")
    except (ValueError, OSError, pa.ArrowException) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(f"{file} cannot be read: {reason}. Is it the table that was meant?") from error
    table.columns = table.columns.map(str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise DataError(f"{file}: two columns are called {twice!r}. Rename one of them.")
    if table.empty:
        raise DataError(f"{file} has no rows.")
    return table
