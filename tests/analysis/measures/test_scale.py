"""What values are: shares, per cent, or plain numbers with as many digits as they need."""

from __future__ import annotations

import pandas as pd
import pytest

from hpt_ray.analysis.measures.scale import mixed, unit_of
from hpt_ray.core.errors import DataError


def test_numbers_are_written_with_three_digits_whatever_their_size() -> None:
    for size, written in ((1.5e-9, "0.00000000150"), (0.25, "0.250"), (840.0, "840")):
        unit, factor, kind = unit_of(pd.Series([size]), number=True)
        assert (unit.plain(size), factor, kind) == (written, 1.0, "plain numbers")


@pytest.mark.parametrize("size", [1e308, 1e-300])
def test_numbers_that_cannot_be_computed_with_are_refused(size: float) -> None:
    with pytest.raises(DataError, match="in another unit"):
        unit_of(pd.Series([size]), number=True)


def test_shares_among_values_in_per_cent_are_not_taken_for_per_cent() -> None:
    rows = pd.DataFrame(
        {"target": "t", "arm": ["a", "b"], "level": None, "seed": "0", "value": [80, 0.85], "row": [1, 2]}
    )
    with pytest.raises(DataError, match=r"row 2 has 0.85 where other rows have up to 80"):
        mixed(rows, higher=True)
    assert mixed(rows, higher=False) == [
        "Values of 1 or less are taken for per cent as well, such as the 0.85 in row 2."
    ]
    assert mixed(rows.assign(arm="a"), higher=True) == []  # one run, whose examples have such values
    assert mixed(rows.assign(value=[80, 0]), higher=True) == []
