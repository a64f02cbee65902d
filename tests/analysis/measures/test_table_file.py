"""Files of tables as programs and people write them: the same cells, or one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hpt_ray.analysis.measures.table_file import load
from hpt_ray.core.errors import DataError

PLAIN = "model,seed,acc\nNone,0,80.5\n1e-4,,81\n"
CELLS = [["None", "0", "80.5"], ["1e-4", None, "81"]]


def cells(table: pd.DataFrame) -> list[list[object]]:
    return table.astype(object).where(table.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace("80.5", "80,5"),
        PLAIN.replace(",", " , "),
        f"\ufeff{PLAIN}",
        f"\n\n{PLAIN},,\n",
        'model,seed,"acc"\n"None",0,80.5\n"1e-4","",81\n',
        "index,model,seed,acc\n0,None,0,80.5\n1,1e-4,,81\n",
        ",model,seed,acc\n0,None,0,80.5\n1,1e-4,,81\n",
    ],
)
def test_cells_are_text_as_it_is_written(tmp_path: Path, content: str) -> None:
    (tmp_path / "runs.CSV").write_bytes(content.encode())
    table = load(str(tmp_path / "runs.CSV"))
    assert list(table.columns) == ["model", "seed", "acc"] and cells(table) == CELLS


def test_a_name_with_a_comma_keeps_it_among_numbers_with_commas(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("model;lr;acc\na,b;1;0,5\nc;1,5;1\n")
    assert cells(load(str(tmp_path / "runs.csv"))) == [["a,b", "1", "0.5"], ["c", "1.5", "1"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is empty"),
        ("model,acc\n", "has no rows"),
        ("model,acc,acc\na,1,2\n", "two columns are called 'acc'"),
        ("model,acc\na,1,\n", "Expected 2 columns, got 3: a,1,"),
        ("model,acc\na\n", "Expected 2 columns, got 1"),
        ("# runs\nmodel,acc\na,1\n", "Expected 1 columns, got 2"),
        ("model,acc\nüber,1\n".encode("latin-1"), "not in UTF-8"),
        ("model,acc\na,1\n".encode("utf-16"), "not in UTF-8"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str | bytes, said: str) -> None:
    (tmp_path / "runs.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        load(str(tmp_path / "runs.csv"))
    assert said in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a file"):
        load(str(tmp_path))


def test_the_named_index_of_a_frame_is_part_of_its_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"model": ["a", "b"], "seed": [0, 1], "acc": [1.0, 2.0], "tags": [["x"], ["y", "z"]]})
    frame.set_index(["model", "seed"]).to_parquet(tmp_path / "runs.parquet")
    assert set(load(str(tmp_path / "runs.parquet"))) == {"model", "seed", "acc", "tags"}
