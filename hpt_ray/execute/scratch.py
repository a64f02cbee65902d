"""A folder for what Ray writes and nobody reads; one that a killed process could not remove goes with the next run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "hpt-ray-"


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A new folder, named after this process; those of processes that are gone are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
