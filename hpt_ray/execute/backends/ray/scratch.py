"""A folder for what Ray writes and nobody reads; one that a killed process could not remove goes with the next run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "hpt-ray-"


def scratch(longest: int = 1000) -> tempfile.TemporaryDirectory[str]:
    """A new folder that only this user can enter, named after this process. Those of processes that are gone go.

    Args:
        longest: characters that its path may have; where the temporary folder's is too long, it stands in /tmp.
    """
    within = tempfile.gettempdir()
    own = f"{PREFIX}{os.getpid()}-"
    if len(f"{within}/{own}12345678") > longest:
        within = "/tmp"
    for folder in Path(within).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _lives(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=own, dir=within, ignore_cleanup_errors=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
