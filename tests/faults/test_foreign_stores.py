"""Stores of strangers and of other versions, with checksums that are right: a line of each fault, and no traceback."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hpt_ray.cli import main as cli
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.run import run
from hpt_ray.execute.states import runs
from hpt_ray.execute.stored import FILLED
from hpt_ray.report import render as report
from hpt_ray.report import sections
from hpt_ray.spec.study import Evaluation
from hpt_ray.store.files import as_json
from hpt_ray.store.store import Store, _checksum
from hpt_ray.store.tables import parquet
from hpt_ray.training.probes import knn
from tests.support import small

#: What takes the place of a value; the first takes its key away.
OTHERS = ["gone", [], {}, "x", -1, None, [[[[[["x"]]]]]]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of one run, of which one stage failed; tests work on copies."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    probe, tried = knn.probe, list[object]()

    def failing(subject: Any) -> Any:
        tried.append(subject)
        if len(tried) == 2:
            raise StudyError("out of memory.")
        return probe(subject)

    study = small.study(arms=("target", "base>target"), evaluations=(Evaluation(probe="knn"),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "probe", failing)
        assert len(run(study, store=folder, runner="inline").failures) == 1
    return folder


@pytest.fixture
def store(whole: Path, tmp_path: Path) -> Store:
    shutil.copytree(whole, tmp_path / "store")
    return Store(tmp_path / "store", create=False)


@pytest.fixture
def ends(store: Store, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., list[str]]:
    """Run a command on the store, which must end well or with one line of an error: its lines."""

    def ends(command: str, *words: str, codes: tuple[int, ...] = (0, 1, 2)) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", command, *words, "--store", store.where])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capfd.readouterr()
        assert caught.value.code in codes, out + err
        assert "Traceback" not in out + err
        if caught.value.code == 2:
            assert (err.count("\n"), err.startswith("error: ")) == (1, True), err
        return (out + err).splitlines()

    return ends


def sealed(record: dict[str, Any]) -> bytes:
    return as_json(record | {"checksum": _checksum(json.loads(as_json(record)))})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in JSON; of a list to the first alone, since the others are alike."""
    if path:
        yield path
    for key in list(value) if isinstance(value, dict) else range(min(len(value), 1)) if isinstance(value, list) else ():
        yield from places(value[key], (*path, key))


def changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    made = json.loads(json.dumps(value))
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if other == "gone":
        del inner[path[-1]]
    else:
        inner[path[-1]] = other
    return made


def replace(store: Store, path: str, data: bytes) -> None:
    """Write a file of a run or stage, and its checksum into the record beside it."""
    kind, owner, name = path.split("/")
    store.write(path, data)
    if name not in ("run.json", "stage.json", "failed.json"):
        beside = f"{kind}/{owner}/{'run' if kind == 'runs' else 'stage'}.json"
        record = json.loads(store.read(beside))
        record["files"][name] = hashlib.sha256(data).hexdigest()
        store.write(beside, sealed(record))


def one(store: Store, name: str) -> str:
    kind = "runs" if name in ("run.json", "plan.json") else "stages"
    return sorted(path for path in store.sizes(kind) if path.endswith(f"/{name}"))[0]


def drawn_without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures and verdicts take most of a report's time, and a record of a run or a stage has no part in them."""
    monkeypatch.setattr(report, "verdicts", lambda *_: [])
    monkeypatch.setattr(sections, "_section", lambda _run, _view, section: sections.Shown(section))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "name",
    [
        "failed.json",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("stage.json", "run.json", "plan.json")),
    ],
)
def test_no_key_of_a_record_can_end_a_command_in_a_traceback(store, whole, ends, monkeypatch, name):
    def no_data(*_: object) -> None:
        raise StudyError("there is no such data.")

    monkeypatch.setattr("hpt_ray.execute.runs.prepare", no_data)
    if name != "plan.json":
        drawn_without_figures(monkeypatch)
    path = one(store, name)
    record = json.loads(store.read(path))
    kept = {each: store.read(each) for each in (path, *store.sizes("runs"))}
    (run_name,) = store.runs()
    wrong = []
    # The study of a record is read only where there is no plan, and is the one of the plan.
    for way in [way for way in places(record) if way[0] != "study" or len(way) == 1 or name == "plan.json"]:
        for other in OTHERS:
            data = changed(record, way, other)
            replace(store, path, sealed(data) if name in ("run.json", "stage.json") else as_json(data))
            for command in (("status",), ("verify",), ("report", run_name)):
                try:
                    ends(*command)
                except Exception as error:
                    wrong.append(f"{' '.join(command)}: {way} is {other}: {type(error).__name__}: {error}")
            for each, content in kept.items():
                Path(store.where, each).write_bytes(content)
    assert not wrong, "\n".join(wrong)


def test_a_damaged_run_is_a_line_of_status_and_the_others_go_on(store, ends):
    (name,) = store.runs()
    for number, damage in enumerate(
        [b"[" * 100_000, b"", b"\xff", b"[]", b"null", b'{"files": {}, "checksum": ""}', sealed({"files": {}})]
    ):
        store.write(f"runs/bad{number}/run.json", damage)
    for number, plan in enumerate([b"[" * 100_000, b"[]", b'{"stages": 3}', b'{"stages": [{"id": 3}]}', b"{}"], 10):
        store.write(f"runs/bad{number}/run.json", store.read(f"runs/{name}/run.json"))
        replace(store, f"runs/bad{number}/plan.json", plan)
    for number, started in enumerate(["yesterday", 3, None, [], "2026-13-01"], 20):
        record = json.loads(store.read(f"runs/{name}/run.json")) | {"started": started}
        store.write(f"runs/bad{number}/run.json", sealed(record))
        store.write(f"runs/bad{number}/plan.json", store.read(f"runs/{name}/plan.json"))
    store.write("runs/folder/run.json/file", b"")
    bad = [state for state in runs(store) if state.damage]
    assert {state.run for state in runs(store)} == {name, *(state.run for state in bad)}
    assert len(bad) == 7 + 5 + 5
    lines = ends("status", codes=(0,))
    for state in bad:
        (line,) = [line for line in lines if line.startswith("damaged: ") and f"runs/{state.run}/" in line]
        assert "hpt-study verify" in line or "run the study again" in line
        (line,) = ends("report", state.run, codes=(2,))
        assert f"runs/{state.run}/" in line
    assert any(line.startswith("report: ") and name in line for line in lines)
    lines = ends("verify", codes=(1,))
    assert any("bad10: plan.json names no stages" in line for line in lines)
    ends("verify", "--yes", codes=(1,))  # there is no date in five
    left = {state.run for state in runs(store)}
    assert left >= {name} and not left & {f"bad{number}" for number in range(20)}


EMPTY = parquet(pa.table({name: pa.array([], pa.string()) for name in (*FILLED["curves"], *FILLED["predictions"])}))


@pytest.mark.parametrize("table", ["results", "predictions", "curves", "views"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PAR1 no Parquet PAR1",
        parquet(pa.table({"other": [1, 2]})),
        EMPTY,
        parquet(pa.table({name: [[["x"]]] for name in ("metric", "split", "repeat", "example", "iteration", "png")})),
        parquet(pa.table([[1], [2]], names=["repeat", "repeat"])),
    ],
)
def test_a_table_that_is_another_is_one_line_that_names_it(store, ends, data, table):
    (name,) = store.runs()
    if table == "views":
        replace(store, f"runs/{name}/views.parquet", data)  # made anew, since the data are there
        ends("report", name, codes=(0,))
        return
    path = one(store, f"{table}.parquet")
    replace(store, path, data)
    (line,) = ends("report", name, codes=(2,))
    assert path in line
    store.remove_folder("stages")  # so that the tables of the run are all there is
    assert len(ends("report", name, codes=(0,))) > 1
    replace(store, f"runs/{name}/{table}.parquet", data)
    (line,) = ends("report", name, codes=(2,))
    assert f"{table}.parquet" in line


@pytest.mark.parametrize("place", [".", "runs", "stages", "run", "stage"])
def test_a_file_where_a_folder_should_be_is_one_line(store, ends, place):
    (name,) = store.runs()
    folder = {"run": f"runs/{name}", "stage": f"stages/{store.planned(name)[0]}"}.get(place, place)
    shutil.rmtree(Path(store.where, folder))
    Path(store.where, folder).write_bytes(b"x")
    for command in (("status",), ("verify",), ("report", name)):
        ends(*command)


@pytest.mark.parametrize("name", ["plan.json", "report.html", "results.parquet"])
def test_a_folder_where_a_file_should_be_is_one_line(store, ends, name):
    (run_name,) = store.runs()
    Path(store.where, "runs", run_name, name).unlink()
    Path(store.where, "runs", run_name, name).mkdir()
    for command in (("status",), ("verify",), ("report", run_name)):
        ends(*command)
