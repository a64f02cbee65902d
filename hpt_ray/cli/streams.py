"""Standard output and error, whatever they are: closed, full, or with an encoding that lacks a sign."""

from __future__ import annotations

import contextlib
import io
import os
import sys

#: Whether there is no standard output, and what it was when the program began.
_closed, _begun = False, None


def prepare() -> None:
    """Have something to write to, and let it replace a sign that its encoding lacks: no word is worth a study."""
    global _closed, _begun
    _closed, _begun = sys.stdout is None, _device()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell (>&-)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def written(lost: OSError | None) -> bool:
    """Whether all output so far has been taken. ``lost``: why an earlier part could not be written."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return lost is None and not _closed
    return False


def unread() -> bool:
    """Whether a library has put an end to standard output because nobody reads it any more, as after ``| head``."""
    return _begun is not None and _device() != _begun


def _device() -> tuple[int, int] | None:
    """Which pipe, file or terminal standard output is; None where it is none of the system's."""
    try:
        state = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return state.st_dev, state.st_ino


def close(lost: OSError | None) -> str | None:
    """Write what is left of the output. Returns why it cannot be written; None where it was, or nobody reads on.

    Python itself would end with a traceback, and a code of its own, when it tries again.

    Args:
        lost: why an earlier part could not be written.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        lost = lost or error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if lost is None or isinstance(lost, BrokenPipeError):  # as when `head` has seen enough
        return None
    return lost.strerror or str(lost)
