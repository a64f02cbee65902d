"""The notebook of the studies runs from top to bottom, and its numbers are those of the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import ROOT

nbclient = pytest.importorskip("nbclient", reason="nbclient, of the test extra, is not installed")
pytest.importorskip("ipykernel", reason="ipykernel, of the test extra, is not installed")
NOTEBOOK = ROOT / "studies" / "notebook.ipynb"


def outputs(cells: list[Any], word: str) -> str:
    """All that the code cell with a word in it shows, as text."""
    (cell,) = [cell for cell in cells if cell.cell_type == "code" and word in cell.source]
    return "".join(str(output.get("text") or output["data"]["text/plain"]) for output in cell.outputs)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs before you commit it"
    nbclient.NotebookClient(notebook, timeout=200, resources={"metadata": {"path": str(tmp_path)}}).execute()
    (folder,) = (tmp_path / "notebook-store" / "runs").iterdir()
    assert str(folder / "report.html") in outputs(notebook.cells, "print(result.report)")
    assert "base>target" in outputs(notebook.cells, "pivot_table") and "crop_only" in outputs(
        notebook.cells, "pivot_table"
    )
    assert "hpt_right" in outputs(notebook.cells, "duckdb.sql")
    assert "base>target" in outputs(notebook.cells, "series.seeds")


def test_the_notebook_is_small_and_has_no_outputs() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 10_000 and '"output_type"' not in text
