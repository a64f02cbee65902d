"""Reports from the store alone, after the data and checkpoints of a run are gone, from another folder."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hpt_ray.cli import main as cli
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.backends import inline
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.execute.states import runs
from hpt_ray.planning.plan import Unit
from hpt_ray.spec.study import Study, Weights
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import build
from hpt_ray.training.weights.checkpoints import to_bytes
from tests.support import small


def draw(folder: Path) -> None:
    """Forty tiny images in two classes."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(40):
        place = folder / f"class{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 128, (16, 16, 3), np.uint8) + np.uint8(100 * (number % 2))
        Image.fromarray(pixels).save(place / f"{number}.png")


def study() -> Study:
    """A study of images and a checkpoint that it names by paths from the current folder."""
    recipes = {"base": Weights(source="base.safetensors"), "target": small.recipe()}
    return small.study(arms=("base", "base>target"), targets=("./imgs",), recipes=recipes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, its images and its checkpoint; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    draw(folder / "imgs")
    (folder / "base.safetensors").write_bytes(to_bytes(build("resnet_small", 0)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run(study(), store="S", runner="inline")
    return folder


@pytest.fixture
def gone(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store alone, seen from another folder, and a cache that has nothing."""
    shutil.copytree(made / "S", tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return Store(tmp_path / "moved", create=False)


Command = Callable[..., tuple[object, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run `hpt-study` in this process: exit code and all that it printed."""

    def command(*words: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["hpt-study", *words])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        return caught.value.code, "".join(capfd.readouterr())

    return command


def files(store: Store) -> dict[str, object]:
    """What is in the folders of runs: bytes, but of a record, whose keys may stand in another order."""
    found = {path: store.read(path) for path in store.sizes("runs")}
    return {path: json.loads(data) if path.endswith("run.json") else data for path, data in found.items()}


def test_a_report_needs_nothing_but_the_store(gone, command):
    before = files(gone)
    (page,) = (path for path in before if path.endswith("report.html"))
    gone.remove(page)
    code, out = command("report", "small", "--store", gone.where)
    assert (code, f"report: {gone.path(page)}" in out) == (0, True)
    assert files(gone) == before
    assert command("report", page.split("/")[1], "--store", gone.where)[0] == 0
    assert files(gone) == before
    assert not any(Path().iterdir())


@pytest.mark.parametrize("name", ["results.parquet", "predictions.parquet", "curves.parquet", "report.html"])
def test_verify_mends_what_follows_from_the_store(gone, command, name):
    before = files(gone)
    (path,) = (path for path in before if path.endswith(name))
    gone.write(path, b"other")
    assert command("verify", "--store", gone.where, "--yes")[0] == 0
    assert files(gone) == before


def test_views_that_are_damaged_take_the_data(gone, made, command, monkeypatch):
    before = files(gone)
    (path,) = (path for path in before if path.endswith("views.parquet"))
    gone.write(path, b"other")
    code, out = command("verify", "--store", gone.where, "--yes")
    (line,) = (line for line in out.splitlines() if line.startswith("error: "))
    assert code == 1
    assert "views.parquet is damaged" in line and "cannot be computed again: no checkpoint at base.safetensors" in line
    monkeypatch.chdir(made)
    assert command("verify", "--store", gone.where, "--yes")[0] == 0
    assert files(gone) == before


def test_tables_stay_where_their_stages_are_gone(gone, command):
    before = files(gone)
    gone.remove_folder("stages")
    assert command("report", "small", "--store", gone.where)[0] == 0
    assert files(gone) == before
    (path,) = (path for path in before if path.endswith("predictions.parquet"))
    gone.write(path, b"other")
    code, out = command("report", "small", "--store", gone.where)
    assert (code, out.count("\n")) == (2, 1) and "predictions.parquet is damaged" in out
    assert files(gone) == before | {path: b"other"}


def test_an_interrupted_run_is_reported_from_what_is_finished(made, tmp_path, monkeypatch):
    whole, done = inline.run_unit, list[str]()

    def interrupted(unit: Unit, *arguments: object) -> None:
        if done:
            raise KeyboardInterrupt
        whole(unit, *arguments)
        done.append(unit.label)

    monkeypatch.setattr(inline, "run_unit", interrupted)
    with monkeypatch.context() as patch:
        patch.chdir(made)
        with pytest.raises(KeyboardInterrupt):
            run(study(), store=tmp_path / "part", runner="inline")
    monkeypatch.chdir(tmp_path)
    result = rewrite(Store(tmp_path / "part", create=False), "small")
    assert set(pq.read_table(result.results)["status"].to_pylist()) == {"done", "missing"}
    assert set(result.run.views["policy"]) == {"original", *small.LEVELS}


def test_a_run_that_is_renamed_or_another_is_one_line(gone):
    (state,) = runs(gone)
    Path(gone.where, "runs", state.run).rename(Path(gone.where, "runs", "other-0123"))
    with pytest.raises(StoreError, match=r"plan\.json is not as .* \(it is of another run"):
        rewrite(gone, "other")
