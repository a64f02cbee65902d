"""Errors that a user can cause: each says what is wrong, where, and what to do.

The command line prints such an error as one line and exits with code 2. Every other exception is a bug in this package
and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

from hpt_ray.core.text import visible

#: The longest message, in characters: a longer one quotes something very long, and its middle is left out.
LONGEST = 4_000


class StudyError(Exception):
    """An error that the user can fix. ``str(error)`` is one line, safe to show: what, where, and what to do."""

    def __init__(self, message: str) -> None:
        line = visible(" ".join(message.split()))
        half = LONGEST // 2
        super().__init__(line if len(line) <= LONGEST else f"{line[:half]} ... {line[-half:]}")


class UnknownNameError(StudyError):
    """An unknown name; the message lists the names that exist and the nearest match."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        super().__init__(f"unknown {kind} {name!r}.{hint} Available: {', '.join(names) or 'none'}.")


def explain(error: ValidationError) -> str:
    """A short text for a validation error: the field of its first problem, and the problem."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if not isinstance(part, str) or part.isidentifier())
    message = "give at least one" if first["type"] == "too_short" else first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


class DataError(StudyError):
    """A data set that cannot be read or does not fit what the study asks of it."""


class WeightsError(StudyError):
    """A checkpoint that cannot be read or does not fit the network."""


class StoreError(StudyError):
    """A store that cannot be read or written."""


class StageInterruptedError(StudyError):
    """A stage that was asked to stop; its checkpoint is kept and the next run of the study continues it."""


class StageError(StudyError):
    """A stage that ran and failed, with its reason; the study goes on and the report shows what is missing."""
