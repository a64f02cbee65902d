"""The Ray runner against the one in this process: the same ids, the same bits; two workers the same numbers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import psutil
import pytest
import safetensors.numpy

import hpt_ray
from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Layout
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import session
from hpt_ray.execute.backends.ray.broker import News
from hpt_ray.execute.backends.ray.groups import Groups
from hpt_ray.execute.backends.ray.runner import BrokerKilledError, RayRunner
from hpt_ray.execute.backends.ray.session import ray_session
from hpt_ray.execute.events import Event, Observer, Progress, Tell
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.visible import Visible
from hpt_ray.planning.plan import Unit
from hpt_ray.spec.study import Study
from hpt_ray.store.store import Store
from tests.support import small

#: Largest relative difference of a weight between one worker and two: the order of a sum of two float32 gradients,
#: carried through a few iterations.
TOLERANCE = 2e-4
REQUEST = Request(study="small", run="small-1", units=2)


def tiny() -> Study:
    return hpt_ray.make(
        "augment_ablation",
        base="synthetic:texture,n=300",
        target="synthetic:shape,n=300",
        seeds=1,
        policies="baseline,crop_only",
        iterations=4,
        base_iterations=6,
        batch=32,
        group=16,
        precision="float32",
    )


def weights(store: Path) -> dict[str, dict[str, np.ndarray]]:
    return {
        path.parent.name: safetensors.numpy.load(path.read_bytes())
        for path in sorted((store / "stages").glob("*/weights.safetensors"))
    }


class Listener(Observer):
    """Looks, while stages run, where this process and what it started listen: addresses, and the sockets of Ray's that
    are files, by the folder of the temporary folder that holds them."""

    def __init__(self) -> None:
        self.addresses: set[str] = set()
        self.folders: set[Path] = set()
        self.looked_at = 0.0

    def progress(self, event: Event, progress: Progress) -> None:
        if time.monotonic() - self.looked_at < 1:  # thirty processes are slow to look at
            return
        self.looked_at = time.monotonic()
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                listening = [each.laddr.ip for each in process.net_connections() if each.status == psutil.CONN_LISTEN]
                self.addresses |= {address.removeprefix("::ffff:").replace("::1", "127.0.0.1") for address in listening}
                sockets = [Path(each.laddr) for each in process.net_connections("unix") if "/sockets/" in each.laddr]
                self.folders |= {path.parents[3] for path in sockets}
        # Nobody else may enter it: who can could rename a socket, and have a worker connect to another.
        assert all(stat.S_IMODE(folder.stat().st_mode) == 0o700 for folder in self.folders)


def ray_processes() -> list[str]:
    """Ray's own processes that this one has started: others on this machine may have a Ray, too."""
    names = [process.name() for process in psutil.Process().children(recursive=True)]
    return [name for name in names if "raylet" in name or "gcs_server" in name]


def left_for_all() -> list[str]:
    """What Ray and multiprocessing leave in the temporary folder that all users share."""
    names = [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    return sorted(name for name in names if name.startswith(("ray", "pymp-", f"hpt-ray-{os.getpid()}-")))


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    store = tmp_path_factory.mktemp("inline")
    return store, hpt_ray.run(tiny(), store=store, runner="inline")


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Result]]:
    """The study with one worker and with two workers a stage, on one Ray that is gone afterwards."""
    shared = left_for_all()
    found = {}
    with ray_session(None):
        for workers in (1, 2):
            store = tmp_path_factory.mktemp(f"ray{workers}")
            observer = Listener()
            found[workers] = store, hpt_ray.run(tiny(), store=store, runner="ray", workers=workers, observer=observer)
            assert observer.addresses == {"127.0.0.1"}
            assert len(observer.folders) == 1
        assert len(ray_processes()) == 2
    assert ray_processes() == []
    assert not observer.folders.pop().exists()
    assert left_for_all() == shared
    return found


@pytest.mark.timeout(240)
def test_ray_and_inline_agree_to_the_bit(inline: tuple[Path, Result], on_ray: dict[int, tuple[Path, Result]]) -> None:
    (here, mine), (there, theirs) = inline, on_ray[1]
    assert not mine.failures and not theirs.failures
    assert Store(here).finished() == Store(there).finished()
    for stage in Store(here).finished():
        for name in ("weights.safetensors", "predictions.parquet", "results.parquet"):
            if (here / "stages" / stage / name).exists():
                assert (here / "stages" / stage / name).read_bytes() == (there / "stages" / stage / name).read_bytes()
    axes = ["arm", "policy", "seed", "iteration", "evaluation", "split", "value", "stage", "status"]
    assert mine.run.results[axes].equals(theirs.run.results[axes])


@pytest.mark.timeout(240)
def test_two_workers_give_the_numbers_of_one(on_ray: dict[int, tuple[Path, Result]]) -> None:
    one, two = weights(on_ray[1][0]), weights(on_ray[2][0])
    assert not on_ray[2][1].failures
    assert one.keys() == two.keys()
    for stage, tensors in one.items():
        for name, tensor in tensors.items():
            scale = np.abs(tensor).max() + 1e-12
            assert np.abs(tensor - two[stage][name]).max() / scale < TOLERANCE, f"{stage} {name}"


def test_a_run_leaves_a_whole_folder(on_ray: dict[int, tuple[Path, Result]]) -> None:
    _, result = on_ray[1]
    folder = Path(result.report).parent
    assert {path.name for path in folder.iterdir()} == {
        "plan.json",
        "run.json",
        "results.parquet",
        "predictions.parquet",
        "curves.parquet",
        "views.parquet",
        "report.html",
        "heartbeat.json",
        "verdict.json",
    }
    assert Path(result.report).read_text().lower().startswith("<!doctype html>")


def test_a_full_temporary_folder_is_told_before_ray_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9 - 2**20, 2**20))
    with pytest.raises(StudyError, match=r"temporary folder .* is full \(1 MB free\).* set TMPDIR"), ray_session(None):
        pass


def test_a_run_lost_to_a_full_memory_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's own text is a page, with the command lines of all processes of the machine."""
    import ray

    runner = RayRunner(MagicMock(), Layout(slots=1, workers=1, threads=1), REQUEST)
    lost = runner._loss(ray.exceptions.OutOfMemoryError("Task was killed due to the node running low on memory.\n..."))
    assert "memory is full" in lost and "what is finished is kept" in lost
    assert "memory" not in runner._loss(ray.exceptions.RayActorError())


def test_a_tune_that_fails_is_a_note_and_no_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ray

    def full(*arguments: object, **options: object) -> None:
        raise RuntimeError("no room for a trial\nand a page about it")

    monkeypatch.delenv("HPT_DEBUG", raising=False)
    monkeypatch.setattr("ray.tune.with_parameters", full)
    monkeypatch.setattr(Groups, "_keep", lambda *_: None)
    monkeypatch.setattr(RayRunner, "_follow", lambda *arguments: iter(()))  # every unit ends
    runner = RayRunner(MagicMock(exceptions=ray.exceptions), Layout(slots=1, workers=1, threads=1), REQUEST)
    events: list[Event] = []
    runner.run(iter(()), Store(tmp_path), lambda event: not events.append(event), lambda: False)
    assert [(event.kind, event.unit) for event in events] == [("note", "")]
    assert re.search(r"Tune does not show .* \(RuntimeError: no room for a trial\)", events[0].reason)


def test_a_ray_of_a_user_without_a_home_is_one_line(monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StudyError, match=r"without a home folder: set HOME before ray\.init"), ray_session(None):
        pytest.fail("its workers could not import Ray Train")


def refusing(number: int) -> News:
    return News([], groups=1, retired=1, unfinished=1, waiting=1, refused={number: "node b does not see /data."})


def test_a_node_of_the_beginning_that_does_not_see_the_data_ends_the_run_and_one_that_joins_does_not() -> None:
    runner = RayRunner(MagicMock(), Layout(slots=2, workers=1, threads=1), REQUEST)
    with pytest.raises(StudyError, match=r"^node b does not see /data\.$"):
        list(runner._refusals(refusing(1)))
    told = [event.reason for news in (refusing(2), refusing(3)) for event in runner._refusals(news)]
    assert told == ["A node that joined is not used: node b does not see /data."]


def test_where_ray_kills_the_broker_for_its_memory_the_run_goes_on_with_a_slot_fewer(tmp_path, monkeypatch) -> None:
    units = small.plan().units()
    attempts: list[tuple[int, list[list[Unit]]]] = []

    def run(self: RayRunner, rounds: Iterator[list[Unit]], store: Store, seen: Visible, tell: Tell, *_: object) -> None:
        if not attempts:
            attempts.append((self.layout.slots, [next(rounds)]))
            tell(Event(kind="finished", unit=units[0].id))
            raise BrokerKilledError
        attempts.append((self.layout.slots, list(rounds)))
        for unit in units[1:]:
            tell(Event(kind="finished", unit=unit.id))

    monkeypatch.setattr(RayRunner, "_run", run)
    runner = RayRunner(MagicMock(), Layout(slots=3, workers=1, threads=1), REQUEST)
    events: list[Event] = []
    runner.run(iter([units[:2], units[2:]]), Store(tmp_path), lambda event: not events.append(event), lambda: False)
    assert attempts == [(3, [units[:2]]), (2, [units[1:2], units[2:]])]
    notes = [event.reason for event in events if event.kind == "note"]
    assert notes == ["Memory ran low on this machine, so Ray ended processes of this run: 2 stages run at a time now."]


@pytest.mark.parametrize(("slots", "error"), [(2, BrokerKilledError), (1, StudyError)])
def test_what_is_not_to_be_shared_any_further_ends_the_run(slots, error, monkeypatch, tmp_path) -> None:
    import ray

    def killed(*_: object) -> None:
        raise ray.exceptions.OutOfMemoryError("3 worker(s) were killed due to the node running low on memory")

    monkeypatch.setattr(RayRunner, "_follow", killed)
    monkeypatch.setattr("hpt_ray.execute.backends.ray.runner.Experiment", MagicMock())
    monkeypatch.setattr(Groups, "_keep", lambda *_: None)
    runner = RayRunner(MagicMock(exceptions=ray.exceptions), Layout(slots=slots, workers=1, threads=1), REQUEST)
    seen = Visible(store=str(tmp_path), token="", paths={})
    with pytest.raises(error):
        runner._run(iter(()), Store(tmp_path), seen, lambda event: True, lambda: False)


def test_the_job_is_listed_with_its_study_targets_and_store(tmp_path: Path) -> None:
    settings: dict[str, Any] = {}
    ray = SimpleNamespace(init=lambda **given: settings.update(given))
    about = {"study": "small", "targets": "one, two", "store": "s3://bucket/folder"}
    session._start(ray, "auto", True, str(tmp_path), about)
    assert settings["job_config"].metadata == about and settings["address"] == "auto"
