"""Figures and tables of a page as files."""

from __future__ import annotations

import io
import shutil
import sys

import pandas as pd
import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.core.registry import load, names
from hpt_ray.report.pictures import pictures
from hpt_ray.report.render import verdicts
from hpt_ray.report.shown_files import figure_files, table_files_of
from tests.support.simulate_dashboards import simulated


def test_tables_have_all_digits_in_csv_and_the_read_text_in_latex() -> None:
    run, dashboard = simulated("augment_ablation"), load("dashboards", "augment_ablation")
    judged = verdicts(run, dashboard)
    files = table_files_of(run, dashboard, judged)
    glance = pd.read_csv(io.StringIO(files["arms-at-a-glance.csv"]))
    assert list(glance["Arm"]) == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]
    reached = run.results.query(
        "arm == 'base>target' and policy == 'baseline' and iteration > 0 and evaluation == 'linear' and split == 'test'"
    )
    row = glance.set_index("Arm").loc["HPT"]
    assert row["Accuracy at baseline"] == pytest.approx(reached["value"].mean())
    assert row["Accuracy at baseline, low"] < row["Accuracy at baseline"] < row["Accuracy at baseline, high"]
    assert "87.2 \\% [71.0, 100.0]" in files["arms-at-a-glance.tex"] and "\\caption{" in files["arms-at-a-glance.tex"]
    cells = pd.read_csv(io.StringIO(files["every-cell.csv"]))
    assert list(cells.columns[:4]) == ["target", "arm", "policy", "seed"] and len(cells) == 46
    assert cells["linear"].dtype == float
    assert files["cost.txt"].startswith("Cost. Last pretraining phase of each arm")


@pytest.mark.parametrize("study", names("dashboards"))
def test_every_table_is_csv_latex_and_a_caption(study: str) -> None:
    run, dashboard = simulated(study), load("dashboards", study)
    files = table_files_of(run, dashboard, verdicts(run, dashboard))
    tables = {name.rpartition(".")[0] for name in files} - {"claims", "every-cell"}
    assert {"arms-at-a-glance", "cost"} <= tables
    for name in tables:
        assert len(pd.read_csv(io.StringIO(files[f"{name}.csv"]))) >= 1
        assert "\\toprule" in files[f"{name}.tex"] and files[f"{name}.txt"].strip()
    classes = pd.read_csv(io.StringIO(files["class-by-class.csv"]))
    assert [kind.kind for kind in classes.dtypes[1:]] == ["f"] * (len(classes.columns) - 1)
    assert classes.iloc[:, 1:].max(axis=None) <= 1


def test_figures_without_kaleido_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "choreographer", None)
    monkeypatch.setitem(sys.modules, "choreographer.errors", None)
    with pytest.raises(StudyError, match=r"--figures needs kaleido: pip install 'hpt_ray\[figures\]'"):
        pictures({})


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium") and not shutil.which("google-chrome"), reason="no browser here")
def test_figures_are_svg_and_pdf_with_their_captions() -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    run, dashboard = simulated("augment_ablation"), load("dashboards", "augment_ablation")
    files, left_out = figure_files(run, dashboard)
    assert left_out == ["What the policies do"]
    assert {name.rpartition(".")[0] for name in files} == {
        "what-each-policy-costs",
        "accuracy-under-each-policy",
        "robustness-in-two-numbers",
        "training",
    }
    for name, content in files.items():
        starts = {"svg": b"<svg", "pdf": b"%PDF", "txt": name[:2].capitalize().encode()}
        assert content.startswith(starts[name.rpartition(".")[2]]), name
    assert b"From scratch" in files["accuracy-under-each-policy.svg"]


@pytest.mark.slow
def test_a_browser_that_does_not_start_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaleido", reason="kaleido is not installed")
    monkeypatch.setenv("BROWSER_PATH", shutil.which("false") or "/bin/false")
    run, dashboard = simulated("augment_ablation"), load("dashboards", "augment_ablation")
    with pytest.raises(StudyError, match="--figures cannot start the browser"):
        figure_files(run, dashboard)
