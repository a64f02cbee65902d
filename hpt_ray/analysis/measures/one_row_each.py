"""Of a table that has steps, repeats and unfinished runs, one row for each run or each of its test examples."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from hpt_ray.analysis.measures.text_format import listed
from hpt_ray.core.errors import DataError

#: What a status may be of a run that has a result.
DONE = {"done", "finished", "completed", "complete", "success"}
#: What tells the rows of a table apart, once one metric, split and step of each run is left.
KEY = ["target", "arm", "level", "seed", "example"]


def one_row_each(
    rows: pd.DataFrame, table: pd.DataFrame, value: str, roles: dict[str, str | None], taken: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """One row for each run, or for each of its test examples: its last step, a mean over repeats.

    Args:
        value: the columns of the values, in words.
        taken: all columns that are something.

    Raises:
        DataError: where rows cannot be told apart, or lack their value for no reason.
    """
    notes = []
    _named(rows, roles)
    absent, unfinished = rows["value"].isna(), ~rows["status"].str.lower().isin([*DONE, None]) & rows["status"].notna()
    steps = rows["step"].nunique() > 1
    if (wrong := rows[absent & ~unfinished]).size and not steps:
        raise DataError(
            f"{len(wrong)} of {len(rows)} rows have no value in the {value}, the first of them row "
            f"{wrong['row'].iloc[0]} (arm {wrong['arm'].iloc[0]!r}): leave these runs out, or give their values."
        )
    if unfinished.any():
        states = listed(sorted(rows["status"][unfinished].unique()))
        notes.append(f"{unfinished.sum():,} of {len(rows):,} rows are left out, of runs that did not finish: {states}.")
    rows = rows[~absent & ~unfinished]
    if rows.empty:
        raise DataError(f"no row has a value in the {value} and belongs to a run that finished.")
    if steps:
        if roles["seed"] is None and roles["example"] is None:
            raise DataError("rows have several steps, and no column names the run that each is of: name it by --unit.")
        trained = rows.groupby("arm")["step"].transform("max") > 0
        rows = rows[~(trained & (rows["step"] == 0))]  # a value from before training is no result
        last = rows.groupby(["target", "arm", "level", "seed"], dropna=False)["step"].transform("max")
        rows = rows[rows["step"] == last]
        notes.append("Of each run its last step is used.")
        if rows["step"].nunique() > 1:
            ends = f"from {rows['step'].min():g} to {rows['step'].max():g}"
            notes.append(f"Not all runs end at the same step: the last one with a value is {ends}.")
    if rows["repeat"].nunique() > 1:
        notes.append("Repeats of a run are averaged.")
    if roles["seed"] is None and roles["example"] is None:
        runs = rows.groupby(["target", "arm", "level"], dropna=False).cumcount()
        rows = rows.assign(seed=runs.astype(str))
    else:
        notes += _without_seed(rows)
    twice = rows.duplicated([*KEY, "repeat"], keep=False)
    if twice.any():
        raise DataError(_twice(rows[twice], table, taken, roles))
    return rows, notes


def _named(rows: pd.DataFrame, roles: dict[str, str | None]) -> None:
    """Refuse rows that do not say what they are of, where other rows do."""
    for kind in ("arm", "target", "example"):
        unnamed = rows["row"][rows[kind].isna()]
        if roles[kind] and len(unnamed):
            raise DataError(
                f"row {unnamed.iloc[0]} names no {kind} in the column {roles[kind]!r}: fill it in, or leave it out."
            )
    if roles["group"]:
        groups = rows.groupby(["target", "example"])["group"].nunique()
        if (groups > 1).any():
            example = groups.index[groups > 1][0][1]
            raise DataError(f"example {example} is in several groups (column {roles['group']!r}): give it one.")
    if not roles["example"] and not roles["seed"] and len(rows) > 2 and rows["value"].isin([0, 1]).all():
        raise DataError("every value is 0 or 1, as of test examples, and no column names these: name it by --example.")
    seedless = rows["seed"].isna()
    several = ~seedless.groupby([rows[kind] for kind in ("target", "arm", "level")], dropna=False).transform("all")
    if (lacking := rows[seedless & several]).size:
        raise DataError(
            f"row {lacking['row'].iloc[0]} names no run in the column {roles['seed']!r}, as other rows of arm "
            f"{lacking['arm'].iloc[0]!r} do: fill it in, or leave the row out."
        )


def _without_seed(rows: pd.DataFrame) -> list[str]:
    """What it means that an arm has one value for all seeds, as where it is a published one."""
    seedless = rows["seed"].isna()
    if seedless.all() or not seedless.any():
        return []
    arms = rows["arm"][seedless].unique().tolist()
    return [f"{listed(arms)} without a seed: held against every seed of the others, as if its own luck were none."]


def _measured(column: pd.Series) -> bool:
    """Whether a column holds what was measured, and no names: numbers that are not whole."""
    numbers = pd.to_numeric(column.astype(str), errors="coerce")
    return bool(numbers.notna().all() and (numbers % 1 != 0).any())


def _twice(rows: pd.DataFrame, table: pd.DataFrame, taken: Sequence[str], roles: dict[str, str | None]) -> str:
    """Why two rows cannot be told apart, and by which column, that is not taken for something, they could be."""
    first = next(iter(rows.groupby([*KEY, "repeat"], dropna=False, sort=False)))[1]
    own = table.loc[first.index]
    differing = [
        name
        for name in table.columns
        if name not in taken and not _measured(own[name]) and own[name].astype(str).nunique() > 1
    ]
    what = f"rows {first['row'].iloc[0]} and {first['row'].iloc[1]} are both of arm {first['arm'].iloc[0]!r}" + "".join(
        f", {kind} {first[kind].iloc[0]}" for kind in ("target", "level", "seed", "example") if roles.get(kind)
    )
    if not differing:
        return f"{what}: leave one of them out, or name a column that tells them apart by --unit, --example or --level."
    name = differing[0]
    choice = f"choose by --where {name}={own[name].iloc[0]}, or name it by --level"
    return f"{what}; they differ in {listed(differing[:4])}: {choice}."
