"""The faulty study, whose process is killed in the middle of its write number HPT_DYING_WRITE."""

from __future__ import annotations

import itertools
import os
import signal
import stat

from tests.support.faulty import study

__all__ = ["study"]

_written, _fsync = itertools.count(1), os.fsync


def _die(file: int) -> None:
    """What a store does between writing a file and giving it its name; and then with the folder."""
    whole = stat.S_ISREG(os.fstat(file).st_mode)
    if whole and next(_written) == int(os.environ["HPT_DYING_WRITE"]):
        os.ftruncate(file, os.fstat(file).st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    _fsync(file)


os.fsync = _die
