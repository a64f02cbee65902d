"""The store: where stages and runs live, in a local folder, on a shared file system or in an object store.

    STORE/stages/ID/   stage.json (written last: it makes the stage finished), weights, tables
    STORE/runs/STUDY-PLAN/   plan, results, predictions, curves, views and report of one run

Every file appears whole or not at all, and a finished stage knows the checksum of each of its files. Two processes that
finish the same stage write the same content, so neither can hurt the other.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from hpt_ray.errors import StoreError

RECORD, FAILURE, CHECKPOINT = "stage.json", "failed.json", "checkpoint.pt"


class Store:
    """Reads and writes under one root; paths are relative to it, with forward slashes."""

    def __init__(self, where: str | Path, create: bool = True) -> None:
        """Open a store.

        Args:
            where: a local folder, or an address that pyarrow knows (``s3://bucket/folder``, ``gs://...``, ``hdfs://...``).
            create: it will be written, so prove that it can be; False only reads. A store that is not there is empty.

        Raises:
            StoreError: if it cannot be written.
        """
        self.where = str(where)
        try:
            if "://" in self.where:
                self.fs, self.root = fs.FileSystem.from_uri(self.where)
            else:
                self.where = str(Path(where).expanduser().absolute())
                self.fs, self.root = fs.LocalFileSystem(), self.where
            self.local = isinstance(self.fs, fs.LocalFileSystem)
            if create and self.local:
                # Folders come with the first file, so that a study that is refused leaves none behind.
                place = Path(self.root, "stages")
                there = next(folder for folder in (place, *place.parents) if folder.exists())
                tempfile.TemporaryDirectory(dir=there, prefix=".hpt-").cleanup()
            elif create:
                self.fs.create_dir(f"{self.root}/stages", recursive=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise StoreError(
                f"store {self.where} cannot be written ({_reason(error)}): choose another with --store, or mend it."
            ) from error

    def path(self, relative: str) -> str:
        """The full path or address of something in the store, to show to a user."""
        return f"{self.where.rstrip('/')}/{relative}"

    def exists(self, relative: str) -> bool:
        return bool(self.fs.get_file_info(f"{self.root}/{relative}").type == fs.FileType.File)

    def read(self, relative: str) -> bytes:
        """The content of a file. Raises StoreError if it cannot be read."""
        try:
            with self.fs.open_input_stream(f"{self.root}/{relative}") as file:
                return bytes(file.read())
        except OSError as error:
            raise StoreError(f"{self.path(relative)} cannot be read ({_reason(error)}).") from error

    def write(self, relative: str, data: bytes) -> None:
        """Write a file whole: under a temporary name, then renamed (an object store does so by itself).

        Raises:
            StoreError: if it cannot be written, for example when the disk is full.
        """
        full = f"{self.root}/{relative}"
        try:
            self.fs.create_dir(full.rsplit("/", 1)[0], recursive=True)
            if not self.local:
                with self.fs.open_output_stream(full) as stream:
                    stream.write(data)
                return
            temporary = Path(f"{full}.{uuid.uuid4().hex[:8]}.tmp")
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(full)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{self.path(relative)} cannot be written ({_reason(error)}): free some space or choose another store."
            ) from error

    def remove(self, relative: str) -> None:
        if self.exists(relative):
            self.fs.delete_file(f"{self.root}/{relative}")

    def read_json(self, relative: str) -> dict[str, Any]:
        """A JSON object. Raises StoreError if the file is missing or damaged."""
        try:
            value = json.loads(self.read(relative))
        except ValueError as error:
            raise StoreError(f"{self.path(relative)} is damaged: it is not JSON. Remove it and run again.") from error
        if not isinstance(value, dict):
            raise StoreError(f"{self.path(relative)} is damaged: it is not a JSON object. Remove it and run again.")
        return value

    def write_json(self, relative: str, value: Any) -> None:
        """JSON in the order that it was given: the order of a factor's levels means something."""
        self.write(relative, json.dumps(value, indent=1).encode())

    def read_table(self, relative: str) -> pa.Table:
        """A Parquet table. Raises StoreError if the file is missing or damaged."""
        try:
            return pq.read_table(pa.BufferReader(self.read(relative)))
        except pa.ArrowException as error:
            raise StoreError(
                f"{self.path(relative)} is damaged: it is not Parquet. Remove it and run again."
            ) from error

    def write_table(self, relative: str, table: pa.Table) -> None:
        self.write(relative, parquet(table))

    # Stages

    def finished(self) -> set[str]:
        """The ids of all finished stages."""
        found = self.fs.get_file_info(fs.FileSelector(f"{self.root}/stages", recursive=True, allow_not_found=True))
        return {info.path.rsplit("/", 2)[-2] for info in found if info.base_name == RECORD}

    def record(self, stage: str) -> dict[str, Any] | None:
        """What a finished stage says of itself; None if it is not finished."""
        path = f"stages/{stage}/{RECORD}"
        return self.read_json(path) if self.exists(path) else None

    def finish(self, stage: str, files: dict[str, bytes], record: dict[str, Any]) -> None:
        """Write a stage's files and, last, its record with their checksums; drop what an unfinished stage keeps."""
        for name, data in files.items():
            self.write(f"stages/{stage}/{name}", data)
        checksums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self.write_json(f"stages/{stage}/{RECORD}", {**record, "files": checksums})
        self.remove(f"stages/{stage}/{CHECKPOINT}")
        self.remove(f"stages/{stage}/{FAILURE}")

    def stage_file(self, stage: str, name: str) -> bytes:
        """A file of a finished stage, checked against its checksum.

        Raises:
            StoreError: if the stage is not finished or the file is not what was written.
        """
        record = self.record(stage)
        if record is None:
            raise StoreError(f"stage {stage} is not finished in {self.where}: run the study that makes it first.")
        data = self.read(f"stages/{stage}/{name}")
        if hashlib.sha256(data).hexdigest() != record["files"].get(name):
            raise StoreError(
                f"{self.path(f'stages/{stage}/{name}')} is damaged (its checksum differs): remove its folder "
                "and run again."
            )
        return data

    def stage_table(self, stage: str, name: str) -> pa.Table:
        return pq.read_table(pa.BufferReader(self.stage_file(stage, name)))

    def fail(self, stage: str, reason: str) -> None:
        self.write_json(f"stages/{stage}/{FAILURE}", {"reason": reason})

    def failure(self, stage: str) -> str | None:
        """Why a stage failed when it was last tried; None if it did not."""
        path = f"stages/{stage}/{FAILURE}"
        return str(self.read_json(path)["reason"]) if self.exists(path) else None

    def checkpoints(self, stage: str) -> StageCheckpoints:
        return StageCheckpoints(self, f"stages/{stage}/{CHECKPOINT}")


class StageCheckpoints:
    """The last state of one unfinished stage."""

    def __init__(self, store: Store, path: str) -> None:
        self.store, self.path = store, path

    def read(self) -> bytes | None:
        return self.store.read(self.path) if self.store.exists(self.path) else None

    def write(self, data: bytes) -> None:
        self.store.write(self.path, data)


def parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _reason(error: Exception) -> str:
    """The error in a few words, without a library's trace behind it."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return re.split(r"\. Detail:|\n", text)[0]
