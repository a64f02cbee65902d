"""The source of a data set, kept in the cache as long as none of its files changes.

Listing hundreds of thousands of files takes seconds, and every unit of a study needs its data sets. A file's size,
times of modification and change, and inode show that it has not changed (see ``cache.fingerprint``): only these are
read, of every file, each time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpt_ray.core.identity import content_id
from hpt_ray.data import cache
from hpt_ray.data.records import Source


@dataclass(frozen=True)
class State:
    """How files stand: a digest of the marks of all, and whether none changed so lately that it could change again
    with the same marks."""

    digest: str
    settled: bool


@dataclass(frozen=True)
class Memory:
    """What is remembered of a place.

    Attributes:
        file: In the cache.
        names: Of the files, where only the data set itself can say which they are.
    """

    file: Path
    names: tuple[str, ...]
    state: str
    source: dict[str, Any]

    def recall(self, state: State | None, look: Callable[[], Source]) -> Source | None:
        """The source that was found in a state, None if another one was. ``look`` finds it again when it is read."""
        if state is None or state.digest != self.state:
            return None
        try:
            return Source(**{**self.source, "remarks": tuple(self.source["remarks"])}, read=lambda: look().read())
        except (KeyError, TypeError):
            return None

    def keep(self, state: State | None, source: Source, names: Sequence[str] = ()) -> None:
        """Remember a source; ``state`` was taken before it was looked at."""
        if state is not None and state.settled:
            fields = {name: value for name, value in vars(source).items() if name != "read"}
            content = {"state": state.digest, "source": fields, "names": list(names)}
            cache.write_atomically(self.file, json.dumps(content).encode())


def memory(kind: str, place: Path) -> Memory:
    """What is remembered of a kind of data set at a place; empty where nothing is, or where other code found it."""
    file = cache.root() / "sources" / f"{content_id([kind, _code(), str(place.absolute())])}.json"
    try:
        known = json.loads(file.read_bytes())
        return Memory(file, tuple(known["names"]), str(known["state"]), dict(known["source"]))
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        return Memory(file, (), "", {})


def source(kind: str, place: Path, state: State | None, look: Callable[[], Source]) -> Source:
    """The source at a place: the one remembered for this state, or else the one that ``look`` finds, which is kept."""
    remembered = memory(kind, place)
    known = remembered.recall(state, look)
    if known is None:
        known = look()
        remembered.keep(state, known)
    return known


def state_of_files(paths: Iterable[str], *more: str) -> State | None:
    """The state of files, in their order, and of what else decides; None where one cannot be looked at."""
    before, newest = time.time_ns(), 0
    digest = hashlib.blake2b("\0".join(more).encode(errors="surrogateescape"), digest_size=16)
    marks = []
    try:
        for path in paths:
            mark, changed = _mark(os.stat(path))  # noqa: PTH116  # pathlib's takes three times as long
            newest = max(newest, changed)
            marks.append(f"{path}\0{mark}")
    except (OSError, ValueError):
        return None
    digest.update("\0".join(marks).encode(errors="surrogateescape"))
    return State(digest.hexdigest(), before - newest > cache.SETTLED_SECONDS * 1e9)


def state_below(root: Path) -> State | None:
    """The state of all files below a folder; None where one cannot be looked at, or links lead to a folder twice."""
    before, newest = time.time_ns(), 0
    digest = hashlib.blake2b(digest_size=16)
    waiting, reached = [str(root)], set[tuple[int, int]]()
    try:
        while waiting:
            folder = waiting.pop()
            here = os.stat(folder)  # noqa: PTH116
            if (here.st_dev, here.st_ino) in reached:
                return None
            reached.add((here.st_dev, here.st_ino))
            marks = [folder]
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir():
                        waiting.append(entry.path)
                        continue
                    mark, changed = _mark(entry.stat())
                    newest = max(newest, changed)
                    marks.append(f"{entry.name}\0{mark}")
            digest.update("\0".join(marks).encode(errors="surrogateescape") + b"\0")
    except OSError:
        return None
    return State(digest.hexdigest(), before - newest > cache.SETTLED_SECONDS * 1e9)


def _mark(state: os.stat_result) -> tuple[str, int]:
    """What shows that a file is the one that it was, and when it changed last, in nanoseconds."""
    return " ".join(map(str, cache.mark(state))), max(state.st_mtime_ns, state.st_ctime_ns)


@functools.cache
def _code() -> str:
    """A hash of the code of this package: other code may find something else."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return content_id([[file.name, hashlib.blake2b(file.read_bytes()).hexdigest()] for file in files])
