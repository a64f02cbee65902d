"""Stages of two workers, interrupted and killed: they end with the bits of two workers that nobody disturbed."""

from __future__ import annotations

import signal
import time

import pytest
from processes import assert_same, at_work, bench, end, wait_until

TWO = ("--workers", "2")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_workers_interrupted_and_killed(tmp_path):
    with bench(tmp_path / "undisturbed") as runs:
        runs.finish(*TWO)
    with bench(tmp_path / "disturbed") as runs:
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
        assert_same(runs.store, tmp_path / "undisturbed")
