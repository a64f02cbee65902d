"""Paths as a user writes them, which start from the folder that her command runs in, in every process."""

from __future__ import annotations

import os
from pathlib import Path

from hpt_ray.core.errors import StudyError

#: What relative paths start from: see ``resolve_from``.
_start = Path()


def resolve_from(folder: str) -> None:
    """Let relative paths start from ``folder``, the current folder of the command that this process works for.

    A worker of a cluster has a current folder of its own, in which ``./my_images`` would be something else or nothing.
    """
    global _start
    _start = Path(folder)


def path_of(name: str) -> Path:
    """A path as a user writes it, ``~`` being her home folder. It need not exist.

    Raises:
        StudyError: for one that cannot be looked at: too long, or in a folder that is closed to her.
    """
    # Unlike pathlib's this takes the ~ of a user who does not exist for a name, which is then missing like any other.
    path = _start / os.path.expanduser(name)  # noqa: PTH111  # an absolute path stays as it is
    try:
        path.exists()
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    return path
