"""The schema of results: three tables, with a column for every axis; nothing is ever parsed from a path or a log.

``results``      one row per cell x evaluation x metric x class x split x iteration x repeat; a missing or failed cell
                 has a null ``value``, explained by ``status`` and ``reason``; for a class without an AUROC, by
                 ``reason`` alone.
``predictions``  one row per test example of each evaluation: the basis of paired intervals.
``curves``       training by iteration.

A stage writes ``STAGE_RESULTS``, ``PREDICTIONS`` or ``CURVES``; a run adds the axes of its cells in front, with one
column per factor.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:  # many of Ray's processes read a schema without it
    import pandas as pd

#: What a cell is: shared by all three tables of a run. Factor columns (string) follow ``arm``. A null level or seed
#: means that the cell does not depend on it: direct transfer is the same at every target policy and seed.
AXES = pa.schema(
    [
        ("study", pa.string()),
        ("target", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int64()),
    ]
)

STAGE_RESULTS = pa.schema(
    [
        ("evaluation", pa.string()),  # linear, knn, or as the study calls it
        ("metric", pa.string()),  # accuracy (share of correct) or, of multi-label data, auroc
        ("class", pa.string()),  # of an auroc; null: the mean over the classes that have one, and any accuracy
        ("split", pa.string()),  # val (model selection) or test (reported once)
        ("repeat", pa.int64()),
        ("value", pa.float64()),
        ("n", pa.int64()),  # examples behind the value
    ]
)

RESULTS = pa.schema(
    [
        ("iteration", pa.int64()),  # of the arm's last phase: 0 is the value before it began (step 0)
        *STAGE_RESULTS,
        ("seconds", pa.float64()),  # of the last pretraining phase
        ("images", pa.int64()),  # images seen by the last pretraining phase
        ("device", pa.string()),
        ("status", pa.string()),  # done, failed, missing
        ("reason", pa.string()),
        ("stage", pa.string()),  # id of the evaluation stage
        ("weights", pa.string()),  # id of the stage whose weights were evaluated; null: random initialisation
        ("parents", pa.list_(pa.string())),  # ids of all pretraining stages behind them, first phase first
        ("version", pa.string()),
    ]
)

PREDICTIONS = pa.schema(
    [
        ("evaluation", pa.string()),
        ("repeat", pa.int64()),
        ("example", pa.int64()),  # index of the image in its data set
        ("label", pa.int64()),  # null of multi-label data, as the prediction
        ("prediction", pa.int64()),
        ("labels", pa.list_(pa.int8())),  # of multi-label data: 1, 0 or -1 (unknown) for each class
        ("scores", pa.list_(pa.float32())),  # for each class; NaN where train had not both values
    ]
)

CURVES = pa.schema(
    [
        ("phase", pa.string()),  # role and what it may change: target, target:bn, base
        ("iteration", pa.int64()),
        ("loss", pa.float64()),
        ("lr", pa.float64()),
        ("images_per_second", pa.float64()),
        ("feature_std", pa.float64()),  # mean over dimensions of the std of normalised projections; 0 is collapse
        # The online monitor's, at some iterations only; the rest of their row is null at iteration 0, before training.
        ("knn", pa.float64()),  # accuracy of weighted kNN on val; null without labels
        ("effective_rank", pa.float64()),  # of the same images' features; 1 is a line, 0 a point
        ("n", pa.int64()),  # images behind the two
        ("stage", pa.string()),
    ]
)


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


TABLES = {"results": RESULTS, "predictions": PREDICTIONS, "curves": CURVES}

#: Real augmented views, for the report: ``policy`` is a level or "original".
VIEWS = pa.schema([("policy", pa.string()), ("example", pa.int64()), ("view", pa.int64()), ("png", pa.binary())])
