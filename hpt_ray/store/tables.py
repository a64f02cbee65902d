"""Tables in a store: made from rows, checked against the schema, written and read as Parquet."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hpt_ray.core.errors import StoreError
from hpt_ray.store.files import foreign
from hpt_ray.store.schema import AXES, PREDICTIONS

if TYPE_CHECKING:  # many of Ray's processes write a table without it
    import pandas as pd

#: Size of a table in memory, in bytes, below which compression saves less than one block on disk.
SMALL = 2**16


def run_schema(table: pa.Schema, factors: list[str]) -> pa.Schema:
    """The schema of a run's table: axes, one string column per factor after ``arm``, then the columns of ``table``.

    A run's ``predictions`` also have ``iteration`` (0 at step 0), as its results do.
    """
    axes = list(AXES)
    place = AXES.get_field_index("arm") + 1
    columns = [*axes[:place], *(pa.field(name, pa.string()) for name in factors), *axes[place:]]
    if table is PREDICTIONS:
        columns.append(pa.field("iteration", pa.int64()))
    return pa.schema([*columns, *table])


def to_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of exactly this schema; a column that a row lacks is null.

    Raises:
        KeyError: for a value that the schema has no column for.
    """
    known = set(schema.names)
    for row in rows:
        if unknown := set(row) - known:
            raise KeyError(f"no column for {sorted(unknown)}")
    return pa.Table.from_pylist(rows, schema=schema)


def from_columns(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    """Columns as a table of exactly this schema; a column that is missing is null."""
    length = len(next(iter(columns.values())))
    missing = {name: [None] * length for name in schema.names if name not in columns}
    return pa.table({**columns, **missing}, schema=schema)


def occupied(table: pa.Table) -> pa.Table:
    """The columns with at least one value; all columns of a table without rows.

    A stage writes only these: there are many stages, and empty columns of lists take as long to read as the rest. A
    run's tables have all columns.
    """
    return table.select([name for name in table.column_names if table[name].null_count < max(len(table), 1)])


def fitted(table: pa.Table, schema: pa.Schema, filled: Collection[str], *, rows: bool = True) -> pa.Table:
    """The columns of a table from a store that the schema has, converted to the types of the schema.

    Args:
        filled: columns that must have a value in every row. rows: whether there must be any row.

    Raises:
        ValueError: for a table that does not fit, with the reason.
    """
    types = {field.name: field.type for field in table.schema}
    if len(types) < len(table.schema):
        raise ValueError("two columns have one name")
    if rows and not len(table):
        raise ValueError("it has no rows")
    for name in filled:
        if name not in types or table[name].null_count:
            raise ValueError(f"rows lack their {name}")
    fields = [field for field in schema if field.name in types]
    if len(fields) == len(types) and all(types[field.name].equals(field.type) for field in fields):
        return table  # almost always, and much faster for ten thousand stages
    try:
        return table.select([field.name for field in fields]).cast(pa.schema(fields))
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error


def to_frame(table: pa.Table) -> pd.DataFrame:
    """A run's table as a pandas frame; seeds stay integers although some cells have none."""
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({"seed": "Int64"}) if "seed" in frame else frame


def parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file; a small one without compression, which halves the time to read it."""
    sink, small = pa.BufferOutputStream(), table.nbytes < SMALL
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(table, sink, **(plain if small else {"compression": "zstd"}))
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def from_parquet(data: bytes, where: str, columns: list[str] | None = None) -> pa.Table:
    """A table from the content of a Parquet file.

    Args:
        where: the file's name in an error. columns: those to read, if they exist; None: all.

    Raises:
        StoreError: if it is not a Parquet file.
    """
    # read_table would take twice as long for files this small: it sets up a data set and threads.
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:  # also an OSError means damaged bytes: no file is read here
        raise StoreError(foreign(where, str(error).split("\n", 1)[0])) from error
