"""Stages of two workers, interrupted and killed: they end with the bits of two workers that nobody disturbed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import assert_same, at_work, bench, end, wait_until

TWO = ("--workers", "2")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("undisturbed")
    with bench(store) as runs:
        runs.finish(*TWO)
    return store


def test_two_workers_interrupted_and_killed(tmp_path, undisturbed):
    with bench(tmp_path) as runs:
        interrupted = runs.start(*TWO)
        assert wait_until(lambda: at_work(runs.store), 120)
        time.sleep(2.0)
        said = end(interrupted, signal.SIGINT)
        assert interrupted.returncode == 130, said
        assert list(runs.store.glob("stages/*/checkpoint.pt"))
        killed = runs.start(*TWO)
        assert wait_until(lambda: runs.processes("ray::RayTrainWo"), 120)
        time.sleep(6.0)
        assert runs.kill_one("ray::RayTrainWo")
        said = killed.communicate(timeout=240)[0]
        assert killed.returncode == 0, said
        assert "Traceback" not in said, said
        runs.assert_nothing_left()
        assert_same(runs.store, undisturbed)


@pytest.mark.parametrize("which", [0, -1])
def test_one_of_two_workers_is_killed(which, tmp_path, undisturbed):
    """The other finds its half of every sum missing, which is no failure of the stage's."""
    with bench(tmp_path) as runs:
        process = runs.start(*TWO)
        assert wait_until(lambda: at_work(runs.store), 120)
        time.sleep(1.0)
        assert runs.kill_one("ray::RayTrainWo", which)
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        runs.assert_nothing_left()
        assert_same(runs.store, undisturbed)
