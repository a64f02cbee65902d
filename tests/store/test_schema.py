from __future__ import annotations

import pyarrow as pa
import pytest

from hpt_ray.store import schema as results
from hpt_ray.store.tables import occupied, run_schema, to_frame, to_table


@pytest.mark.parametrize("name", results.TABLES)
@pytest.mark.parametrize("factors", [[], ["policy"], ["policy", "fraction"]])
def test_a_run_table_has_axes_then_factors_then_its_own_columns(name, factors):
    schema = run_schema(results.TABLES[name], factors)
    own = results.TABLES[name].names
    extra = ["iteration"] if name == "predictions" else []
    assert schema.names == ["study", "target", "arm", *factors, "seed", *extra, *own]
    assert len(set(schema.names)) == len(schema.names)
    assert all(schema.field(factor).type == pa.string() for factor in factors)


def test_every_axis_of_a_result_has_a_column_of_its_own():
    schema = run_schema(results.RESULTS, ["policy"])
    wanted = {
        "study",
        "arm",
        "policy",
        "seed",
        "target",
        "iteration",
        "evaluation",
        "metric",
        "split",
        "repeat",
        "value",
        "n",
    }
    assert wanted | {"seconds", "images", "device", "stage", "parents", "version", "status", "reason"} <= set(
        schema.names
    )


def test_rows_become_a_table_of_exactly_the_schema():
    schema = run_schema(results.RESULTS, ["policy"])
    table = to_table([{"arm": "target", "value": 1, "parents": ["a", "b"]}, {}], schema)
    assert table.schema == schema
    assert table["value"].to_pylist() == [1.0, None]
    assert table["parents"].to_pylist() == [["a", "b"], None]
    assert table["seed"].to_pylist() == [None, None]
    assert to_table([], schema).schema == schema


def test_a_value_without_a_column_or_of_another_type_is_refused():
    with pytest.raises(KeyError, match="accurracy"):
        to_table([{"accurracy": 1.0}], results.RESULTS)
    with pytest.raises(pa.ArrowInvalid):
        to_table([{"value": "high"}], results.RESULTS)


def test_seeds_stay_whole_numbers_beside_cells_without_one():
    table = to_table([{"seed": 1}, {"seed": None}], results.AXES)
    frame = to_frame(table)
    assert [str(seed) for seed in frame["seed"]] == ["1", "<NA>"]


def test_a_stage_leaves_out_what_is_empty():
    some = to_table([{"iteration": 1, "loss": 2.0}, {"iteration": 2, "knn": 0.5}], results.CURVES)
    assert occupied(some).column_names == ["iteration", "loss", "knn"]
    none = to_table([], results.CURVES)
    assert occupied(none).schema == results.CURVES
