"""Runs in processes of their own, which tests interrupt and kill; what they leave is looked for, and compared."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from hpt_ray.store.store import Store
from tests.support.places import ROOT, SUPPORT

STUDY = SUPPORT / "faulty.py"
MAIN = "import sys; sys.argv[0] = 'hpt-study'; from hpt_ray.cli.main import main; main()"
#: Of two runs of one study these differ: they say how long it took.
CLOCK = ["seconds", "images_per_second"]


class Bench:
    """Starts ``hpt-study run`` in processes that all carry one mark, with a temporary folder of their own."""

    def __init__(self, store: Path) -> None:
        self.store = store
        # Ray's sockets lie in it, and a socket's path may have a hundred characters.
        self.temporary = Path(tempfile.mkdtemp(prefix="hptf"))
        self.mark = uuid.uuid4().hex
        self.environment = os.environ | {
            "HPT_FAULTS": self.mark,
            "TMPDIR": str(self.temporary),
            "RAY_TMPDIR": str(self.temporary),
            "RAY_worker_niceness": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }

    def command(self, *arguments: str, study: Path = STUDY) -> list[str]:
        return [sys.executable, "-c", MAIN, "run", str(study), "--store", str(self.store), *arguments]

    def start(self, *arguments: str, study: Path = STUDY, **environment: str) -> subprocess.Popen[str]:
        return self.begin(self.command(*arguments, study=study), **environment)

    def begin(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command, env=self.environment | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, *arguments: str) -> str:
        """Run to the end, which must be a good one. Returns what was printed."""
        process = self.start(*arguments)
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
        return said

    def processes(self, name: str = "") -> list[psutil.Process]:
        """Those that carry the mark, started by a run or by its Ray."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if name in process.name() and self._ours(process):
                    found.append(process)
        return found

    def _ours(self, process: psutil.Process) -> bool:
        if process.status() == psutil.STATUS_ZOMBIE:  # ended, where nobody looks after orphans
            return False
        # A process that gives itself a title may lose the mark with it, but not the log that it writes.
        return process.environ().get("HPT_FAULTS") == self.mark or any(
            Path(file.path).is_relative_to(self.temporary) for file in process.open_files()
        )

    def kill_one(self, name: str, which: int = 0) -> bool:
        """SIGKILL a process of Ray's by its name, the oldest or another; False if there is none."""
        with contextlib.suppress(psutil.Error, IndexError):
            self.processes(name)[which].kill()
            return True
        return False

    def clean_up(self) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def assert_no_process(self) -> None:
        # The agents of a Ray whose parent was killed look for it now and then, and later on a busy machine.
        assert wait_until(lambda: not self.processes(), 90), self.processes()

    def assert_nothing_left(self) -> None:
        """No process, no scratch folder, no shared memory and nothing half written; Ray's logs are Ray's."""
        self.assert_no_process()
        left = [path.name for path in self.temporary.iterdir() if path.name.startswith("hpt-")]
        assert left == []
        assert list(self.store.rglob("*.tmp")) == []
        assert [path for path in Path("/dev/shm").glob("*plasma*") if _abandoned(path)] == []


def _abandoned(path: Path) -> bool:
    """Whether a file of this user's is open in no process: another test may have a Ray of its own."""
    if path.stat().st_uid != os.getuid():
        return False
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(Path(file.path) == path for file in process.open_files()):
                return False
    return True


@contextlib.contextmanager
def bench(store: Path) -> Iterator[Bench]:
    made = Bench(store)
    try:
        yield made
    finally:
        made.clean_up()


def wait_until(true: Callable[[], Any], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if true():
            return True
        time.sleep(0.05)
    return False


def at_work(store: Path) -> bool:
    """Whether a run has begun a unit."""
    return any((store / "locks").glob("*.lock"))


def tables(store: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of a store's only run, without what only the clock decides, sorted."""
    (folder,) = (path.parent for path in (store / "runs").glob("*/results.parquet"))
    found = {}
    for name in ("results", "predictions", "curves"):
        table = pq.read_table(folder / f"{name}.parquet")
        rows = table.drop_columns([column for column in CLOCK if column in table.column_names]).to_pylist()
        found[name] = sorted(rows, key=repr)
    return found


def weights(store: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (store / "stages").glob("*/weights.safetensors")}


def assert_same(store: Path, reference: Path) -> None:
    """The same stages, the same weights to the bit, and the same tables, row for row."""
    assert Store(store).finished() == Store(reference).finished()
    assert weights(store) == weights(reference)
    mine, theirs = tables(store), tables(reference)
    for name in theirs:
        assert mine[name] == theirs[name], name


def end(process: subprocess.Popen[str], number: signal.Signals, seconds: float = 60) -> str:
    """Send a signal and wait for the end. Returns what was printed."""
    process.send_signal(number)
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail(f"still there {seconds} s after {number.name}: {process.communicate()[0]}")
