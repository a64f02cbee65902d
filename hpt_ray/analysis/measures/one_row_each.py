"""Of a table that has steps, repeats and unfinished runs, one row for each run or each of its test examples."""

from __future__ import annotations

import pandas as pd

from hpt_ray.analysis.measures.text_format import listed
from hpt_ray.core.errors import DataError

#: What a status may be of a run that has a result.
DONE = {"done", "finished", "completed", "complete", "success"}
#: What tells the rows of a table apart, once one metric, split and step of each run is left.
KEY = ["target", "arm", "level", "seed", "example"]


def one_row_each(
    rows: pd.DataFrame, table: pd.DataFrame, value: str, roles: dict[str, str | None]
) -> tuple[pd.DataFrame, list[str]]:
    """One row for each run, or for each of its test examples: its last step, a mean over repeats.

    Raises:
        DataError: where rows cannot be told apart, or lack their value for no reason.
    """
    notes = []
    absent, unfinished = rows["value"].isna(), ~rows["status"].str.lower().isin([*DONE, None]) & rows["status"].notna()
    steps = rows["step"].nunique() > 1
    if (wrong := rows[absent & ~unfinished]).size and not steps:
        raise DataError(
            f"{len(wrong)} of {len(rows)} rows have no value in the {value}, the first of them row "
            f"{wrong['row'].iloc[0]} (arm {wrong['arm'].iloc[0]!r}): leave these runs out, or give their values."
        )
    rows = rows[~absent & ~unfinished]
    if rows.empty:
        raise DataError(f"no row has a value in the {value} and belongs to a run that finished.")
    if steps:
        trained = rows.groupby("arm")["step"].transform("max") > 0
        rows = rows[~(trained & (rows["step"] == 0))]  # a value from before training is no result
        last = rows.groupby(["target", "arm", "level", "seed"], dropna=False)["step"].transform("max")
        rows = rows[rows["step"] == last]
        notes.append("Of each run its last step is used.")
    if rows["repeat"].nunique() > 1:
        notes.append("Repeats of a run are averaged.")
    if roles["seed"] is None and roles["example"] is None:
        runs = rows.groupby(["target", "arm", "level"], dropna=False).cumcount()
        rows = rows.assign(seed=runs.astype(str))
    twice = rows.duplicated([*KEY, "repeat"], keep=False)
    if twice.any():
        raise DataError(_twice(rows[twice], table, roles))
    return rows, notes


def _twice(rows: pd.DataFrame, table: pd.DataFrame, roles: dict[str, str | None]) -> str:
    """Why two rows cannot be told apart, and by which column they could be."""
    first = next(iter(rows.groupby([*KEY, "repeat"], dropna=False, sort=False)))[1]
    own = table.loc[first.index]
    differing = [
        name
        for name in table.columns
        if name not in roles.values()
        and not pd.api.types.is_float_dtype(own[name])
        and own[name].astype(str).nunique() > 1
    ]
    what = f"rows {first['row'].iloc[0]} and {first['row'].iloc[1]} are both of arm {first['arm'].iloc[0]!r}" + "".join(
        f", {kind} {first[kind].iloc[0]}" for kind in ("target", "level", "seed", "example") if roles.get(kind)
    )
    if not differing:
        return f"{what}: leave one of them out, or name a column that tells them apart by --level or --seed."
    name = differing[0]
    choice = f"choose by --where {name}={own[name].iloc[0]}, or name it by --level"
    return f"{what}; they differ in {listed(differing[:4])}: {choice}."
