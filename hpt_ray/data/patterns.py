"""Patterns that name several files, as in a shell: ``shards-{000..012}.tar``, ``data/{train,test}-*.parquet``.

All files that braces name must exist; ``*``, ``?`` and ``[...]`` match existing files. On a command line write a
pattern in quotes, or the shell expands it.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.paths import path_of

#: The largest number of files that a pattern may name.
MOST = 1_000_000

_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{}]*,[^{}]*))\}")


def is_pattern(spec: str) -> bool:
    """Whether a path names several files: it has a sign of patterns, and nothing exists under it as it stands."""
    return bool(glob.has_magic(spec) or _BRACES.search(spec)) and not path_of(spec).exists()


def files(pattern: str) -> list[Path]:
    """The files that a pattern names, each once: in the order of its braces, and sorted within.

    Raises:
        DataError: where there is none, one that braces name is missing, or a range is not usable.
    """
    paths: list[Path] = []
    for name in expanded(pattern):
        path = path_of(name)
        if not glob.has_magic(name):
            if not path.is_file():
                raise DataError(f"{pattern}: there is no file {path}. Fetch what is missing, or name fewer.")
            paths.append(path)
            continue
        matching = sorted(Path(match) for match in glob.glob(str(path)))  # noqa: PTH207  # absolute patterns, too
        if not any(match.is_file() for match in matching):
            raise DataError(f"{pattern}: no file is called {path}. Check the path.")
        paths += [match for match in matching if match.is_file()]
    return list(dict.fromkeys(paths))


def expanded(pattern: str) -> list[str]:
    """A pattern without its braces, one text for each choice: ``{000..012}`` counts, ``{train,test}`` lists.

    Raises:
        DataError: for a range that counts down, and for more than ``MOST`` choices.
    """
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    first, last, listed = match.groups()
    if listed is not None:
        choices = listed.split(",")
    elif int(first) > int(last):
        raise DataError(f"{pattern}: the range {match[0]} counts down; write {{{last}..{first}}}.")
    elif int(last) - int(first) >= MOST:
        raise DataError(f"{pattern}: the range {match[0]} names more than {MOST:,} files.")
    else:
        # As bash does: numbers are padded where one of the two is.
        padded = any(len(number) > 1 and number.startswith("0") for number in (first, last))
        width = max(len(first), len(last)) if padded else 0
        choices = [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]
    rest = expanded(pattern[match.end() :])
    if len(choices) * len(rest) > MOST:
        raise DataError(f"{pattern} names more than {MOST:,} files.")
    return [pattern[: match.start()] + choice + ending for choice in choices for ending in rest]


def fixed(pattern: str) -> str:
    """What a pattern begins with before its first sign: ``shards-`` of ``shards-{000..012}.tar``."""
    return re.split(r"[*?\[{]", pattern, maxsplit=1)[0]
