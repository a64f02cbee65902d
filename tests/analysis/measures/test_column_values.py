"""Cells of a table as names and as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hpt_ray.analysis.measures.column_values import identities, in_order, numeric, only, texts_of
from hpt_ray.core.errors import DataError


def test_names_stay_as_they_are_written_and_are_matched_as_numbers() -> None:
    names = pd.Series(["1.0", "1e-4", None, "v2.0", "-3.00"])
    assert texts_of(names).tolist() == ["1.0", "1e-4", None, "v2.0", "-3.00"]
    assert identities(names).tolist() == ["1", "1e-4", None, "v2.0", "-3"]
    assert texts_of(pd.Series([1.0, np.nan, 2.0])).tolist() == ["1", None, "2"]


def test_texts_of_numbers_are_numbers() -> None:
    values = numeric(pd.Series(["0.5", "1e-3", "True", "FALSE", None, "NaN", "n/a"], name="acc"))
    np.testing.assert_array_equal(values, [0.5, 0.001, 1, 0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(numeric(pd.Series([True, False])), [1, 0])


@pytest.mark.parametrize("text", ["80,5", "80 %", "yes", "inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="the column 'acc' has"):
        numeric(pd.Series(["1", text], name="acc"))


def test_names_of_numbers_have_their_order_unless_two_are_the_same_number() -> None:
    assert in_order(pd.Series(["10", "9"])).tolist() == [10, 9]
    assert in_order(pd.Series(["1", "01"])).tolist() == ["1", "01"]


def test_rows_are_chosen_by_a_number_however_it_is_written() -> None:
    table = pd.DataFrame({"seed": ["0.0", "1.0"], "acc": ["1", "2"]})
    assert only(table, {"seed": "1"})["acc"].tolist() == ["2"] == only(table, {"seed": "1.0"})["acc"].tolist()
