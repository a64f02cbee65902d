"""The process of a run is killed, at random moments and in the middle of writing: the same command finishes it."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest

from tests.support.places import SUPPORT
from tests.support.processes import assert_same, bench

#: Kills of one run before it is let finish, runs, and the seconds after a start that a kill comes at the latest: then
#: the report is being written, of a run that goes on where it was.
KILLS, RUNS = 5, 4
LATEST = {"inline": 12.0, "ray": 40.0}
#: Of about eighty writes: stages, and from the 60th on the run's own folder and its report.
DYING = SUPPORT / "dying.py"
WRITES = sorted(random.Random(0).sample(range(1, 82), 20))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("run", range(RUNS))
@pytest.mark.parametrize("runner", list(LATEST))
def test_at_random_moments(runner, run, tmp_path, reference):
    moments = random.Random(f"{runner} {run}")
    with bench(tmp_path) as runs:
        for _ in range(KILLS):
            process = runs.start("--runner", runner)
            try:
                process.communicate(timeout=moments.uniform(1.0, LATEST[runner]))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
        runs.finish("--runner", runner)
        runs.assert_no_process()
        assert_same(tmp_path, reference)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("write", WRITES)
def test_in_the_middle_of_a_write(write, tmp_path, reference):
    with bench(tmp_path) as runs:
        dying = runs.start("--runner", "inline", study=DYING, HPT_DYING_WRITE=str(write))
        said = dying.communicate(timeout=120)[0]
        assert dying.returncode == -signal.SIGKILL, said
        runs.finish("--runner", "inline")
        assert_same(tmp_path, reference)
