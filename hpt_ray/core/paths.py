"""Paths as a user writes them: in every process, relative ones start from the folder where her command runs."""

from __future__ import annotations

import os
from pathlib import Path

from hpt_ray.core.errors import StudyError

#: Where relative paths start: see ``resolve_from``.
_start = Path()


def resolve_from(folder: str) -> None:
    """Let relative paths start from ``folder``, the current folder of the command that started this process.

    A worker of a cluster has another current folder, where ``./my_images`` would be something else or missing.
    """
    global _start
    _start = Path(folder)


def path_of(name: str) -> Path:
    """The path that a user wrote, with ``~`` for her home folder. It need not exist.

    Raises:
        StudyError: if the path cannot be examined: it is too long, or in a folder that she may not read.
    """
    # Unlike pathlib, this keeps the ~ of an unknown user as a name, which is then reported as missing like any other.
    path = _start / os.path.expanduser(name)  # noqa: PTH111  # an absolute path stays as it is
    try:
        path.exists()
    except OSError as error:
        raise StudyError(f"{path} cannot be read: {error.strerror}. Check the path.") from error
    return path
