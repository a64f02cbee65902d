"""What is in a column of anyone's table: names, or numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from hpt_ray.core.errors import DataError, UnknownNameError

#: How a number that is missing is written, in small letters.
MISSING = ["", "nan", "na", "n/a", "none", "null", "<na>"]
ANSWERS = {"true": "1", "false": "0"}
#: A whole number as it becomes where other rows of its column are missing or decimal.
WHOLE = r"^([-+]?\d+)\.0+$"


def texts_of(column: pd.Series) -> pd.Series:
    """A column of names as text. Whole numbers that are stored as decimal ones, some being missing, have no point."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype("string").astype(object).where(column.notna(), None)


def identities(column: pd.Series) -> pd.Series:
    """A column of names by which rows are matched: as ``texts_of``, and "1.0" is the same as "1"."""
    texts = texts_of(column)
    return texts.astype("string").str.replace(WHOLE, r"\1", regex=True).astype(object).where(texts.notna(), None)


def in_order(names: pd.Series) -> pd.Series:
    """Names that are all numbers as these, which have the order of numbers however they are stored."""
    numbers = pd.to_numeric(names, errors="coerce")
    return numbers if numbers.notna().all() and numbers.nunique() == names.nunique() else names


def sorted_names(names: pd.Series) -> list[str]:
    """The names in a column, each once, in the order of their numbers if all are numbers, else of their letters."""
    unique = texts_of(names).dropna().unique().tolist()
    numbers = pd.to_numeric(pd.Series(unique, dtype=object), errors="coerce")
    return (
        [unique[place] for place in np.argsort(numbers, kind="stable")] if not numbers.isna().any() else sorted(unique)
    )


def holds_numbers(column: pd.Series) -> bool:
    """Whether all that is in a column are numbers."""
    present = texts_of(column.dropna())
    return len(present) > 0 and bool(pd.to_numeric(present, errors="coerce").notna().all())


def numeric(values: pd.Series) -> pd.Series:
    """A column as numbers.

    Raises:
        DataError: for a value that is none.
    """
    plain = values
    if not pd.api.types.is_numeric_dtype(values):
        texts = texts_of(values)
        words = texts.astype("string").str.lower()
        plain = words.map(ANSWERS).fillna(words).mask(words.isin(MISSING)).astype(object).where(texts.notna(), None)
    numbers = pd.to_numeric(plain, errors="coerce").astype(float)
    wrong = numbers.isna() & plain.notna()
    if wrong.any():
        row = values.index[wrong][0]
        raise DataError(
            f"the column {values.name!r} has the text {str(values[row])!r} in row {row + 1}, where a value is one "
            "number of one run: give a row per run, or choose another column by --value."
        )
    if np.isinf(numbers).any():
        raise DataError(f"the column {values.name!r} has infinite values: leave these runs out, or repair them.")
    return numbers


def only(table: pd.DataFrame, where: Mapping[str, str], free: Collection[str] = ()) -> pd.DataFrame:
    """The rows in which columns have the values that are asked for.

    Args:
        free: columns in which a missing value means any: what does not depend on it is kept.

    Raises:
        UnknownNameError: for a column that does not exist, or a value that is in no row.
    """
    for name, value in where.items():
        if name not in table.columns:
            raise UnknownNameError("column", name, table.columns)
        texts = identities(table[name])
        wanted = identities(pd.Series([value])).iloc[0]
        if not (texts == wanted).any():
            raise UnknownNameError(f"value of the column {name!r}:", value, texts.dropna().unique())
        table = table[((texts == wanted) | (texts.isna() & (name in free))).to_numpy()]
    return table
