"""Ctrl-C and SIGTERM: what is at work writes a checkpoint, and the same command goes on where it was."""

from __future__ import annotations

import re
import signal
import time

import pytest

from tests.support.processes import assert_same, at_work, bench, end, wait_until

SLOW = pytest.mark.slow


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("runner", "number", "code"),
    [
        ("inline", signal.SIGINT, 130),
        pytest.param("inline", signal.SIGTERM, 143, marks=SLOW),
        pytest.param("ray", signal.SIGINT, 130, marks=SLOW),
        pytest.param("ray", signal.SIGTERM, 143, marks=SLOW),
    ],
)
def test_once_keeps_checkpoints(runner, number, code, tmp_path, reference):
    with bench(tmp_path) as runs:
        process = runs.start("--runner", runner)
        assert wait_until(lambda: at_work(tmp_path), 90)
        time.sleep(2.0)
        said = end(process, number)
        assert process.returncode == code, said
        assert said.count("stopping once") == 1
        assert said.strip().endswith("interrupted: what is finished is kept; run the same command again to go on.")
        reached = re.findall(r"interrupted at iteration (\d+)", " ".join(said.split()))
        # On a busy machine the signal may come before the first iteration.
        assert any(tmp_path.glob("stages/*/checkpoint.pt")) or set(reached) == {"0"}, said
        assert not list(tmp_path.glob("stages/*/failed.json"))
        runs.assert_nothing_left()
        runs.finish("--runner", runner)
        assert_same(tmp_path, reference)
        assert not list(tmp_path.glob("stages/*/checkpoint.pt"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("runner", ["inline", "ray"])
def test_twice_stops_at_once(runner, tmp_path, reference):
    with bench(tmp_path) as runs:
        process = runs.start("--runner", runner)
        assert wait_until(lambda: at_work(tmp_path), 90)
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
        said = end(process, signal.SIGINT)
        assert process.returncode == 130, said
        assert "Traceback" not in said, said
        runs.assert_nothing_left()
        runs.finish("--runner", "inline")
        assert_same(tmp_path, reference)
