"""A disk runs full, and is read-only: one line says so, and with room the same command finishes."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.support.processes import assert_same, bench

#: A file system of its own for the store, which only the run and its children see.
MOUNTED = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
SCRIPT = """
mount -t tmpfs -o size={size} tmpfs "{store}" || exit
"$@"; echo "ended with $?"
mount -o remount,size=100m,ro "{store}"
"$@"; echo "ended with $?"
mount -o remount,rw "{store}"
"$@"; echo "ended with $?"
cp -r "{store}/." "{kept}"
"""


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    tried = subprocess.run([*MOUNTED, "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False)
    return tried.returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not may_mount(), reason="no file system can be mounted here")
@pytest.mark.parametrize(
    ("size", "runner", "victim"),
    [
        ("1500k", "inline", "weights.safetensors"),
        ("1500k", "ray", "weights.safetensors"),
        ("10m", "inline", "report.html"),
    ],
)
def test_a_full_disk(size, runner, victim, tmp_path, reference):
    store, kept = tmp_path / "store", tmp_path / "kept"
    store.mkdir(), kept.mkdir()
    with bench(store) as runs:
        script = SCRIPT.format(size=size, store=store, kept=kept)
        process = runs.begin([*MOUNTED, script, "sh", *runs.command("--runner", runner)])
        full, read_only, finished, _ = process.communicate(timeout=240)[0].split("ended with ")
        # Without its spaces: long paths are broken wherever a line ends.
        assert f"{victim}cannotbewritten(Nospaceleftondevice)" in "".join(full.split())
        assert (read_only[0], finished[0]) == ("2", "2"), full + read_only
        assert "(Read-only file system): choose another with --store" in read_only
        assert "Traceback" not in full + read_only + finished
        runs.store = kept
        runs.assert_nothing_left()
        assert not list((kept / "locks").iterdir())
        assert_same(kept, reference)
