"""A temporary folder for files of Ray that are not used; the next run removes those that killed processes left."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "hpt-ray-"


def scratch(longest: int = 1000) -> tempfile.TemporaryDirectory[str]:
    """A new folder that only this user can enter, named after this process. Removes those of processes that have ended.

    Args:
        longest: length of its path at most; if the path of the temporary folder is too long, it is created in /tmp.
    """
    parent = tempfile.gettempdir()
    prefix = f"{PREFIX}{os.getpid()}-"
    if len(f"{parent}/{prefix}12345678") > longest:
        parent = "/tmp"
    for folder in Path(parent).glob(f"{PREFIX}*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_running(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
