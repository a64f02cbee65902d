"""The cache folder: content hashes of files, and folders that are built once and appear whole.

``HPT_CACHE`` sets the folder; the default is the user's cache folder of the operating system. Everything in it can be
deleted at any time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.core.paths import path_of

#: Seconds. A file that changed later than this before it was hashed could change again with the same time stamp, so its
#: hash is not kept.
SETTLED_SECONDS = 2.0

#: A file of at most this many bytes is read at once.
SMALL = 1 << 18

#: Files that are hashed in one task.
CHUNK = 64

#: In a folder that is being built, what is needed for that alone.
SCRATCH = "scratch"

#: Suffixes of files that may hold labels or the names of classes.
TABLES = (".csv", ".txt", ".tsv", ".json")


def root() -> Path:
    """The cache folder, which need not exist yet.

    Raises:
        DataError: for a user who has no home folder, unless HPT_CACHE is set.
    """
    try:
        return path_of(os.environ.get("HPT_CACHE") or user_cache_dir("hpt_ray", appauthor=False))
    except RuntimeError as error:
        raise DataError("this user has no home folder for the cache: set HPT_CACHE to a folder.") from error


def fingerprint(paths: Sequence[Path], base: Path) -> str:
    """One hash of the names (relative to ``base``) and the bytes of files: 32 hexadecimal digits.

    Hashes are kept by path, size, inode and the times of modification and change, so unchanged files are not read
    again. A file that replaces another has another inode or time of change, even if it was copied with its time (``cp
    -p``). Tables, which contain labels and are small, are always read.

    Raises:
        DataError: for a file that cannot be read, or a cache that cannot be written.
    """
    memory = root() / "hashes" / f"{content_id(str(base.resolve()))}.json"
    known = _remembered(memory)
    within = f"{base}{os.sep}"

    def hash_of(path: Path) -> tuple[str, list[int], str, bool]:
        whole = str(path)  # pathlib's relative_to takes as long as all the rest
        if whole.startswith(within):
            name = whole[len(within) :].replace(os.sep, "/")
        else:
            name = path.relative_to(base).as_posix()
        try:
            now, state = time.time(), os.stat(whole)  # noqa: PTH116  # pathlib's takes twice as long
            # Reading a pipe could wait for ever.
            if not stat.S_ISREG(state.st_mode):
                raise DataError(f"{path} is no regular file; remove it.")
            entry = known.get(name)
            marks = mark(state)
            if entry is not None and entry[:-1] == marks and path.suffix.lower() not in TABLES:
                return name, marks, str(entry[-1]), True
            with path.open("rb", buffering=0) as file:
                digest = _digest(file, state.st_size)
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}. Mend or remove it.") from error
        return name, marks, digest, now - max(state.st_mtime, state.st_ctime) > SETTLED_SECONDS

    # Threads hash many files faster, but are slower if all hashes are known, or with one task per file.
    if len(known) == len(paths):
        results = [hash_of(path) for path in paths]
    else:
        chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
        with ThreadPoolExecutor(thread_name_prefix="hash") as pool:
            results = [one for part in pool.map(lambda part: [hash_of(path) for path in part], chunks) for one in part]
    lasting = {name: [*marks, digest] for name, marks, digest, keep in results if keep}
    if lasting != known:
        write_atomically(memory, json.dumps(lasting).encode())
    return content_id(sorted([name, digest] for name, _, digest, _ in results), length=32)


def mark(state: os.stat_result) -> list[int]:
    """What shows that a file is the one that it was: its size, times of modification and change, and inode."""
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _digest(file: io.FileIO, size: int) -> str:
    if size <= SMALL:  # file_digest allocates a buffer of 256 KiB for each file
        return hashlib.blake2b(file.readall(), digest_size=16).hexdigest()
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        DataError: if the cache cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            temporary = Path(file.name)
            try:
                file.write(content)
            except BaseException:
                temporary.unlink()
                raise
        temporary.replace(path)
    except OSError as error:
        raise unwritable(error) from error


def build(folder: Path, whole: Callable[[Path], bool], fill: Callable[[Path], None], label: str) -> None:
    """Create ``folder`` with ``fill`` unless it is ``whole`` already; one process fills it and others wait.

    The folder is filled under another name and then renamed, so that an existing folder is complete, except after a
    power cut or on a full disk, which ``whole`` checks. What ``fill`` wrote before it was stopped or failed is there
    when it is called again.

    Args:
        label: Names what the folder is of, which may have another folder once its content has changed: what another
            process left unfinished there is deleted.

    Raises:
        DataError: if the cache cannot be written; whatever ``fill`` raises.
    """
    if whole(folder):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.lock")):
            if whole(folder):
                return
            shutil.rmtree(folder, ignore_errors=True)
            ending = content_id(label)
            unfinished = folder.with_name(f".{folder.name}-{ending}")
            for earlier in set(folder.parent.glob(f".*-{ending}")) - {unfinished}:
                _delete_unless_in_use(earlier)
            unfinished.mkdir(exist_ok=True)
            fill(unfinished)
            unfinished.replace(folder)
            shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    except OSError as error:
        raise unwritable(error) from error


def _delete_unless_in_use(unfinished: Path) -> None:
    name = unfinished.name.removeprefix(".").rpartition("-")[0]
    with contextlib.suppress(Timeout), FileLock(unfinished.with_name(f"{name}.lock"), timeout=0):
        shutil.rmtree(unfinished, ignore_errors=True)


def is_begun(folder: Path) -> bool:
    """Whether a folder of the cache is there, or is unfinished: then its room is taken already."""
    return folder.exists() or any(folder.parent.glob(f".{folder.name}-*"))


def room() -> int:
    """Bytes that are free in the cache."""
    place = root()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def check_room(needed: float, what: str, advice: str = "") -> None:
    """Check that the cache has room for so many bytes.

    Args:
        what: What needs them, for an error. advice: What else can be done; it follows a comma.

    Raises:
        DataError: if it has not.
    """
    free = room() if needed else 0
    if needed > free:
        raise DataError(
            f"{what} needs {needed / 1e6:,.0f} MB in the cache {root()}, where {free / 1e6:,.0f} MB are free. Make "
            f"room, or set HPT_CACHE to another folder{advice}."
        )


def new_map(path: Path, shape: tuple[int, ...], spec: str) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A memory-mapped uint8 file whose space on the disk is reserved; one of this shape that is there is kept.

    Without the reservation, writing to it on a full disk would kill the process with SIGBUS and no message.

    Args:
        spec: the data set, for an error.

    Raises:
        DataError: if there is not enough space. OSError: if the space has been used meanwhile.
    """
    images = _existing_map(path, shape)
    if images is None:
        check_room(math.prod(shape), spec)
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot reserve
                raise
    return images


def _existing_map(path: Path, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]] | None:
    try:
        images: np.memmap[Any, np.dtype[np.uint8]] = np.lib.format.open_memmap(path, mode="r+")
    except (OSError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def unwritable(error: OSError) -> DataError:
    """The error for a cache that cannot be written."""
    reason = error.strerror or error
    return DataError(f"the cache {root()} cannot be written: {reason}. Make room, or set HPT_CACHE to another folder.")


def _remembered(memory: Path) -> dict[str, list[int | str]]:
    try:
        known = json.loads(memory.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: entry for name, entry in known.items() if isinstance(entry, list)} if isinstance(known, dict) else {}
