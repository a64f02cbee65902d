"""Whole files under one root: in a local folder, on a shared file system or in an object store.

Every file appears whole or not at all, and survives a power cut. Any failure to read or write one, on this machine or
on a network, is a StoreError. An address may contain a password, which is never shown or written down.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
from pyarrow import fs

from hpt_ray.core.errors import StoreError
from hpt_ray.core.paths import path_of

#: Error messages of object stores for credentials that are missing, wrong or insufficient.
DENIED = re.compile(
    r"access.?denied|forbidden|unauthori[sz]ed|invalid.?access.?key|signature.?does.?not.?match|authentication|"
    r"expired.?token|credential|permission.?denied|HTTP (response|status)( code)? 40[13]",
    re.IGNORECASE,
)

#: A parameter of an address that grants access.
SECRET = r"[^=]*(secret|key|token|password|signature)"

#: What to do about a file that cannot be used.
MEND = "run the study again, or see `hpt-study verify`."

#: Length of a SHA-256 checksum in bytes.
DIGEST = hashlib.sha256().digest_size


class Files:
    """Reads and writes under one root; paths are relative to it, with forward slashes."""

    def __init__(self, where: str | Path, create: bool = True) -> None:
        """Open a root.

        Args:
            where: a local folder, or an address that pyarrow knows (``s3://bucket/folder``, ``gs://...``, ``hdfs://...``).
            create: check that files can be written; False: only read. A root that does not exist is empty.

        Attributes:
            where: the full address, which another process can open as well. shown: the same without its password.

        Raises:
            StoreError: if it cannot be written.
        """
        if where == "":  # of an unset variable in a shell; it would be the current folder
            raise StoreError("the name of the store is empty: name a folder or an address (. for the current folder).")
        self.where, self.shown = str(where), public(str(where))
        try:
            if "://" in self.where:
                self.fs, self.root = fs.FileSystem.from_uri(self.where)
            else:
                self.where = self.shown = str(path_of(self.where).absolute())
                self.fs, self.root = fs.LocalFileSystem(), self.where
            self.root = self.root.rstrip("/")
            self.local = isinstance(self.fs, fs.LocalFileSystem)
            if create and self.local:
                # Folders are created with the first file, so that a study that is refused leaves none behind.
                stages = Path(self.root, "stages")
                nearest = next(folder for folder in (stages, *stages.parents) if folder.exists())
                tempfile.TemporaryDirectory(dir=nearest, prefix=".hpt-").cleanup()
            elif create:
                self.fs.create_dir(f"{self.root}/stages", recursive=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            reason = _reason(error).replace(self.where, self.shown)
            verb = "written" if create else "read"
            raise StoreError(f"store {self.shown} cannot be {verb} ({reason}): {_advice(error)}.") from error

    @classmethod
    def existing(cls, where: str | Path) -> Self:
        """Open a root to read. Raises StoreError if it does not exist: no such folder, or no bucket with any file."""
        opened = cls(where, create=False)
        with opened._reported("", "read"):
            info = opened.fs.get_file_info(opened.root)
        if info.type == fs.FileType.NotFound:
            raise StoreError(f"there is no store at {opened.shown}: run a study first, or name another with --store.")
        return opened

    def path(self, relative: str) -> str:
        """The full path or address of a file, to show to a user."""
        base, mark, query = self.shown.partition("?") if "://" in self.shown else (self.shown, "", "")
        return f"{base.rstrip('/')}/{relative}{mark}{query}"

    def exists(self, relative: str) -> bool:
        """Whether there is such a file. Raises StoreError where that cannot be known."""
        with self._reported(relative, "read"):
            return bool(self.fs.get_file_info(f"{self.root}/{relative}").type == fs.FileType.File)

    def sizes(self, folder: str) -> dict[str, int]:
        """Every file below a folder, by its path, with its size in bytes; none where there is no such folder."""
        with self._reported(folder, "read"):
            infos = self.fs.get_file_info(
                fs.FileSelector(f"{self.root}/{folder}", recursive=True, allow_not_found=True)
            )
        root = self.root.strip("/") + "/"  # not every file system puts the slash in front of its paths
        return {info.path.strip("/").removeprefix(root): info.size for info in infos if info.type == fs.FileType.File}

    def read(self, relative: str) -> bytes:
        """The content of a file. Raises StoreError if it cannot be read."""
        with self._reported(relative, "read"), self.fs.open_input_file(f"{self.root}/{relative}") as file:
            return bytes(file.read())

    def write(self, relative: str, data: bytes) -> None:
        """Write a file whole: under a temporary name, then renamed (an object store does so by itself).

        Raises:
            StoreError: if it cannot be written, for example when the disk is full.
        """
        full = f"{self.root}/{relative}"
        with self._reported(relative, "written"):
            self.fs.create_dir(full.rsplit("/", 1)[0], recursive=True)
            if self.local:
                replace_whole(Path(full), data)
                return
            with self.fs.open_output_stream(full) as stream:
                stream.write(data)

    def remove(self, relative: str) -> None:
        """Remove a file, if it is there."""
        if self.exists(relative):
            with self._reported(relative, "removed"), contextlib.suppress(FileNotFoundError):
                self.fs.delete_file(f"{self.root}/{relative}")

    def remove_folder(self, relative: str) -> None:
        """Remove a folder with all that is in it, if it is there."""
        with self._reported(relative, "removed"), contextlib.suppress(FileNotFoundError):
            self.fs.delete_dir(f"{self.root}/{relative}")

    def write_json(self, relative: str, value: Any) -> None:
        self.write(relative, as_json(value))

    @contextlib.contextmanager
    def _reported(self, relative: str, verb: str) -> Iterator[None]:
        """Turn any failure into a StoreError that names the file and what to do."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            raise StoreError(f"{self.path(relative)} cannot be {verb} ({_reason(error)}): {_advice(error)}.") from error


class CheckedFile:
    """A file that stands after its own checksum, SHA-256: the last state of an unfinished stage."""

    def __init__(self, files: Files, relative: str) -> None:
        self.files, self.relative = files, relative

    def read(self) -> bytes | None:
        """Its content; None if there is none or it is damaged, so that the stage starts from its beginning."""
        if not self.files.exists(self.relative):
            return None
        data = self.files.read(self.relative)
        digest, content = data[:DIGEST], data[DIGEST:]
        return content if hashlib.sha256(content).digest() == digest else None

    def write(self, content: bytes) -> None:
        """Replace it, whole or not at all. Raises StoreError if it cannot be written."""
        self.files.write(self.relative, hashlib.sha256(content).digest() + content)


def as_json(value: Any) -> bytes:
    """JSON with its keys in the order of ``value``: the order of a factor's levels has a meaning."""
    return json.dumps(value, indent=1).encode()


def foreign(where: str, why: str) -> str:
    """The message about an undamaged file that this version of the program did not write."""
    return f"{where} is not as hpt-study writes it ({why.removesuffix('.')}): remove its folder and {MEND}"


def public(address: str) -> str:
    """An address without its secrets: ``user:password@`` before the host, and keys and tokens after the ``?``."""
    if "://" not in address:
        return address
    # A port is no password, and an @ further on is part of a path, unless the password holds a / that it should not.
    bare = re.sub(r"(?<=://)[^/?@]*:([^/?@]*@|(?!\d+/)[^?]*@)", "", address)
    base, mark, query = bare.partition("?")
    kept = "&".join(each for each in query.split("&") if not re.match(SECRET, each, re.IGNORECASE))
    return f"{base}{mark if kept else ''}{kept}"


def replace_whole(path: Path, data: bytes) -> None:
    """Write a local file whole or not at all, in place of one of its name. Raises OSError if it cannot be written."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to report
            temporary.unlink()
    # A rename is durable once its folder is flushed to disk (Windows cannot open a folder, and needs no flush).
    with contextlib.suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _reason(error: Exception) -> str:
    """The error in a few words, without the trace that a library appends."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.split(r"\. Detail:|\n", text)[0]


def _advice(error: Exception) -> str:
    """What to do about an error."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space or choose another store"
    if not isinstance(error, PermissionError) and DENIED.search(str(error)):  # PermissionError: of a local folder
        return "check the credentials, and what they allow"
    return "choose another with --store, or mend it"
