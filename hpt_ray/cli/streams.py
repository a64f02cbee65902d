"""Standard output and error that may be closed, full, or unable to encode a character."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator

#: Whether standard output is closed, and its device when the program began.
_closed, _begun = False, None

#: What stands for signs that an encoding lacks; a minus that became "?" would hide the sign of a number.
PLAIN = {"−": "-", "–": "-", "→": ">", "…": "..."}


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """The handler of signs that cannot be encoded: their like, else "?"."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error("hpt_plain", _replaced)


def prepare() -> None:
    """Replace closed streams, and characters that an encoding lacks, so that output never ends a study."""
    global _closed, _begun
    _closed, _begun = sys.stdout is None, _device()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell (>&-)
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="hpt_plain")


def written(lost: OSError | None) -> bool:
    """Whether all output so far has been written. ``lost``: the error of an earlier part."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        return lost is None and not _closed
    return False


def unread() -> bool:
    """Whether a library has replaced standard output because its reader has ended, as after ``| head``."""
    return _begun is not None and _device() != _begun


def _device() -> tuple[int, int] | None:
    """The pipe, file or terminal behind standard output; None if it is no file of the operating system."""
    try:
        state = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return None
    return state.st_dev, state.st_ino


def close(lost: OSError | None) -> str | None:
    """Write the rest of the output. Returns why it cannot be written; None if it was, or if its reader has ended.

    Otherwise Python would try again at exit, and end with a traceback and another exit code.

    Args:
        lost: the error of an earlier part.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        lost = lost or error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if lost is None or isinstance(lost, BrokenPipeError):  # as after `| head`
        return None
    return lost.strerror or str(lost)


@contextlib.contextmanager
def interruptible(
    line: str = "interrupted: what is finished is kept; run the same command again to go on.",
) -> Iterator[None]:
    """End the program with a line and the exit code of its signal where work that can be continued is interrupted."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        say(line)
        sys.exit(128 + (interrupt.args[0] if interrupt.args else signal.SIGINT))


def say(line: str) -> None:
    """Write a line to standard error, if it takes one."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
