"""What the values of anyone's table are: shares from 0 to 1, per cent, or plain numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.text_format import SHARES, Unit
from hpt_ray.core.errors import DataError

#: Sizes that can be computed with and be written: of others the squares are lost, or all of the digits.
SMALLEST, LARGEST = 1e-12, 1e15


def unit_of(values: pd.Series, number: bool) -> tuple[Unit, float, str]:
    """How values are written, what they are multiplied by to be scores, and what was taken for granted, in words.

    Args:
        number: whether they are known to be no shares.

    Raises:
        DataError: for plain numbers that are too small or too large to be written.
    """
    low, high = float(values.min()), float(values.max())
    if not number and low >= 0 and high <= 1:
        return SHARES, 1.0, "shares from 0 to 1"
    if not number and low >= 0 and high <= 100:
        return SHARES, 0.01, "per cent from 0 to 100"
    size = max(abs(low), abs(high))
    if size and not SMALLEST <= size <= LARGEST:
        raise DataError(f"the values go up to {size:g}: give them in another unit, from {SMALLEST:g} to {LARGEST:g}.")
    decimals = int(max(3 - np.ceil(np.log10(size or 1.0)), 0))
    return Unit(factor=1.0, decimals=decimals, of_value="", of_change=""), 1.0, "plain numbers"


def mixed(rows: pd.DataFrame, *, higher: bool) -> list[str]:
    """What is to be said of runs with values of at most 1 among others in per cent.

    Args:
        rows: ``target arm level seed value row``, the values in per cent.
        higher: whether more is better: less than 1 % is then far less likely than a share.

    Raises:
        DataError: if such a value is probably a share.
    """
    largest = rows.groupby(["target", "arm", "level", "seed"], dropna=False)["value"].transform("max")
    small = rows[(largest > 0) & (largest <= 1)]
    if small.empty:
        return []
    row, value = small["row"].iloc[0], small["value"].iloc[0]
    if higher:
        raise DataError(
            f"row {row} has {value:g} where other rows have up to {rows['value'].max():g}: write all values as shares "
            "from 0 to 1, or all in per cent."
        )
    return [f"Values of 1 or less are taken for per cent as well, such as the {value:g} in row {row}."]
