"""A backend is one file: from a folder of the user's own, by its path, it runs a study like those that are built in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hpt_ray.cli.main import app

#: Runs what can run at a time in the opposite order.
MINE = '''
"""Last things first."""

import contextlib
from pathlib import Path

from hpt_ray.execute.events import Event
from hpt_ray.core.layout import Layout
from hpt_ray.execute.queue import Queue
from hpt_ray.execute.worker import run_unit
from hpt_ray.training.workers import Workers


class Backwards:
    layout, dashboard = Layout(slots=1, workers=1, threads=1), "nowhere"

    def run(self, rounds, store, tell, stopping):
        queue, ready = Queue(store, tell), []
        for units in rounds:
            queue.add(units)
            while not queue.done:
                while unit := queue.next():
                    ready.append(unit)
                unit = ready.pop()
                run_unit(unit, store, Workers(), 1, tell)
                queue.finish(unit)
        tell(Event(kind="note", reason="Last things came first."))


@contextlib.contextmanager
def backend(request):
    Path("asked").write_text(f"{request.study} {request.units} {request.slots}")
    yield Backwards()
    Path("closed").touch()
'''
SETTINGS = [f"--set={setting}" for setting in ("base=synthetic:objects,n=80", "target=synthetic:shape,n=80", "seeds=1")]
SETTINGS += [f"--set={setting}" for setting in ("iterations=2", "base_iterations=2", "batch=16", "group=8")]
SETTINGS += ["--set=policies=baseline", "--set=precision=float32"]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def rows(store: Path) -> list[dict[str, Any]]:
    """The rows of a store's results but for how long they took."""
    (table,) = store.glob("runs/*/results.parquet")
    return pq.read_table(table).drop_columns(["seconds"]).to_pylist()


def test_a_backend_by_path_runs_a_study(workplace):
    (workplace / "mine.py").write_text(MINE)
    text = invoke("run", "augment_ablation", "--runner", "./mine.py", "--slots", "2", "--store", "mine", *SETTINGS)
    assert "1 stage at a time" in text and "nowhere" in text
    assert "Last things came first." in text
    (manifest,) = workplace.glob("mine/runs/*/run.json")
    assert json.loads(manifest.read_text())["notes"][-1] == "Last things came first."
    assert "Last things came first." in (manifest.parent / "report.html").read_text()
    assert (workplace / "closed").exists()
    study, units, slots = (workplace / "asked").read_text().split()
    assert (study, int(units) > 1, slots) == ("augment_ablation", True, "2")
    invoke("run", "augment_ablation", "--runner", "inline", "--store", "inline", *SETTINGS)
    assert rows(workplace / "mine") == rows(workplace / "inline")


def test_a_file_that_defines_no_backend_is_refused_before_anything_is_written(workplace):
    (workplace / "mine.py").write_text("def method(): ...\n")
    with pytest.raises(Exception, match=r"mine\.py defines no `backend`"):
        invoke("run", "augment_ablation", "--runner", "./mine.py", "--store", "mine")
    assert not (workplace / "mine").exists()


def test_backends_are_listed():
    listed = invoke("list")
    assert "backends" in listed and "In this process" in listed and "On Ray" in listed
