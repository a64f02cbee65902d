"""The store: where stages and runs live, in a local folder, on a shared file system or in an object store.

    STORE/stages/ID/   stage.json (written last: it makes the stage finished), weights, tables
    STORE/runs/STUDY-PLAN/   plan, results, predictions, curves, views and report of one run, and run.json (last)

A record, ``stage.json`` or ``run.json``, has the checksum of every file beside it and of itself, so that nothing that
was damaged on disk is taken for what was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from hpt_ray.core.errors import StoreError, StudyError, explain
from hpt_ray.core.identity import content_id
from hpt_ray.store.checkpoints import StageCheckpoints
from hpt_ray.store.files import Files
from hpt_ray.store.records import AnyRecord, Manifest, Sealed, StageRecord

RECORD, FAILURE, CHECKPOINT = "stage.json", "failed.json", "checkpoint.pt"
MANIFEST, PLAN, VIEWS = "run.json", "plan.json", "views.parquet"
MEND = "run the study again, or see `hpt-study verify`."
#: What reading JSON of a stranger's raises: it may be none, lack a key, hold another type, or be nested without end.
NOT_OURS = (ValueError, KeyError, TypeError, RecursionError)
#: Files that are checked at a time, each in memory; neither reading nor hashing holds the interpreter.
THREADS = 8
#: Bytes of a table in memory below which compressing it saves less than a block of the disk is worth.
SMALL = 2**16


@dataclass(frozen=True)
class Damage:
    """The first file of a stage or run that is not what was written, and how that shows."""

    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.file} {self.why}"


class Store(Files):
    """Stages and runs, in files under one root."""

    def runs(self) -> set[str]:
        """The names of all runs that have begun."""
        return _recorded(self.sizes("runs"), MANIFEST)

    def finished(self) -> set[str]:
        """The ids of all finished stages."""
        return _recorded(self.sizes("stages"), RECORD)

    def record(self, stage: str) -> StageRecord | None:
        """What a finished stage says of itself; None if it is not finished.

        Raises:
            StoreError: if it is not what was written.
        """
        path = f"stages/{stage}/{RECORD}"
        return self._parsed(path, StageRecord) if self.exists(path) else None

    def files_of(self, stage: str) -> list[str]:
        """The names of a finished stage's files, its record among them. Raises StoreError if that is damaged."""
        return [RECORD, *self._record(f"stages/{stage}/{RECORD}")["files"]]

    def finish(
        self, stage: str, files: dict[str, bytes], record: StageRecord, planned: Mapping[str, Any] | None = None
    ) -> None:
        """Write a stage's files and, last, its record; drop what an unfinished stage keeps.

        Args:
            planned: the stage's fields in the plan, as JSON, which are written beside the record's.
        """
        self._seal(f"stages/{stage}", RECORD, files, record, planned or {})
        self.remove(f"stages/{stage}/{CHECKPOINT}")
        self.remove(f"stages/{stage}/{FAILURE}")

    def write_run(self, run: str, files: dict[str, bytes], manifest: Manifest) -> None:
        """Write a run's files and, last, its manifest."""
        self._seal(f"runs/{run}", MANIFEST, files, manifest, {})

    def stage_file(self, stage: str, name: str, record: StageRecord | None = None) -> bytes:
        """A file of a finished stage, checked against its checksum in the stage's record (None: which is read first).

        Raises:
            StoreError: if the stage is not finished or the file is not what was written.
        """
        record = record or self.record(stage)
        if record is None:
            raise StoreError(f"stage {stage} is not finished in {self.shown}: run the study that makes it first.")
        return self._file(f"stages/{stage}/{name}", record.files.get(name))

    def stage_table(self, stage: str, name: str) -> pa.Table:
        return from_parquet(self.stage_file(stage, name), self.path(f"stages/{stage}/{name}"))

    def manifest(self, run: str) -> Manifest:
        """What a run says of itself. Raises StoreError if it is not what was written."""
        return self._parsed(f"runs/{run}/{MANIFEST}", Manifest)

    def run_file(self, run: str, name: str) -> bytes:
        """A file of a run. Raises StoreError if there is none or it is not what was written."""
        checksum = self._record(f"runs/{run}/{MANIFEST}")["files"].get(name)
        if checksum is None:
            raise StoreError(f"{self.path(f'runs/{run}/{name}')} was not written: {MEND}")
        return self._file(f"runs/{run}/{name}", checksum)

    def run_table(self, run: str, name: str) -> pa.Table:
        return from_parquet(self.run_file(run, name), self.path(f"runs/{run}/{name}"))

    def planned(self, run: str) -> list[str]:
        """The ids of the stages of a run's plan.

        Raises:
            StoreError: if the plan is not what was written, or names no stages.
        """
        try:
            ids = [stage["id"] for stage in json.loads(self.run_file(run, PLAN))["stages"]]
        except NOT_OURS:
            ids = [None]
        if not all(isinstance(stage, str) for stage in ids):
            raise StoreError(foreign(self.path(f"runs/{run}/{PLAN}"), "it names no stages"))
        return ids

    def damaged(self, stages: Iterable[str]) -> dict[str, Damage]:
        """Which of these stages are finished and yet not what was written.

        Raises:
            StoreError: if a file that is there cannot be read: it may be sound.
        """
        return self._damaged("stages", RECORD, stages)

    def damaged_runs(self, runs: Iterable[str]) -> dict[str, Damage]:
        """Which of these runs have a record, plan, table or report that is not what was written; as ``damaged``."""
        return self._damaged("runs", MANIFEST, runs)

    def forget(self, stage: str) -> None:
        """Remove a stage, its record first, so that it is computed anew."""
        self.remove(f"stages/{stage}/{RECORD}")
        self.remove_folder(f"stages/{stage}")

    def fail(self, stage: str, reason: str) -> None:
        self.write_json(f"stages/{stage}/{FAILURE}", {"reason": reason})

    def failure(self, stage: str) -> str | None:
        """Why a stage failed when it was last tried; None if it did not."""
        path = f"stages/{stage}/{FAILURE}"
        if not self.exists(path):
            return None
        try:
            return str(json.loads(self.read(path))["reason"])
        except NOT_OURS:
            return "the note of why it failed is damaged"

    def checkpoints(self, stage: str) -> StageCheckpoints:
        return StageCheckpoints(self, f"stages/{stage}/{CHECKPOINT}")

    def _seal(self, folder: str, name: str, files: dict[str, bytes], record: Sealed, beside: Mapping[str, Any]) -> None:
        """Write files into a folder and, last, the record ``name`` with the checksums of each and of itself."""
        for file, data in files.items():
            self.write(f"{folder}/{file}", data)
        checksums = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
        content = {**beside, **record.model_dump(mode="json"), "files": checksums}
        self.write_json(f"{folder}/{name}", content | {"checksum": _checksum(content)})

    def _parsed(self, path: str, kind: type[AnyRecord]) -> AnyRecord:
        record = self._record(path)
        try:
            return kind.model_validate(record)
        except ValidationError as error:
            raise StoreError(foreign(self.path(path), explain(error))) from error
        except StudyError as error:  # of a study that does not hold together
            raise StoreError(foreign(self.path(path), str(error))) from error

    def _record(self, path: str) -> dict[str, Any]:
        record = self._proven(path)
        if record is None:
            raise StoreError(f"{self.path(path)} is damaged (its checksum differs): {MEND}")
        return record

    def _file(self, path: str, checksum: str | None) -> bytes:
        data = self.read(path)
        if hashlib.sha256(data).hexdigest() != checksum:
            raise StoreError(f"{self.path(path)} is damaged (its checksum differs): {MEND}")
        return data

    def _proven(self, path: str) -> dict[str, Any] | None:
        """A record; None if it is not what was written."""
        try:
            record = json.loads(self.read(path))
            sound = record["checksum"] == _checksum(record) and isinstance(record["files"], dict)
        except NOT_OURS:
            return None
        return record if sound else None

    def _damaged(self, kind: str, name: str, among: Iterable[str]) -> dict[str, Damage]:
        there = self.sizes(kind)
        known = sorted(_recorded(there, name).intersection(among))
        with ThreadPoolExecutor(THREADS) as pool:
            found = pool.map(lambda each: self._damage(f"{kind}/{each}", name, there), known)
            return {each: damage for each, damage in zip(known, found, strict=True) if damage}

    def _damage(self, folder: str, name: str, there: Container[str]) -> Damage | None:
        record = self._proven(f"{folder}/{name}")
        if record is None:
            return Damage(name, "has another checksum")
        for file, checksum in record["files"].items():
            if f"{folder}/{file}" not in there:
                return Damage(file, "is missing")
            if hashlib.sha256(self.read(f"{folder}/{file}")).hexdigest() != checksum:
                return Damage(file, "has another checksum")
        return None


def parquet(table: pa.Table) -> bytes:
    """A table as a Parquet file; a small one plain, which is read in half the time."""
    sink, small = pa.BufferOutputStream(), table.nbytes < SMALL
    plain = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
    pq.write_table(table, sink, **(plain if small else {"compression": "zstd"}))
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def from_parquet(data: bytes, where: str, columns: list[str] | None = None) -> pa.Table:
    """A table, or those of its columns that there are, from a Parquet file as ``parquet`` makes it.

    Args:
        where: names the file in an error.

    Raises:
        StoreError: if it is no Parquet.
    """
    # Of a file this small, read_table's data set and threads would take twice as long as the reading.
    try:
        return pq.ParquetFile(pa.BufferReader(data)).read(columns, use_threads=False)
    except (pa.ArrowException, OSError) as error:  # an OSError, too, is of the bytes: nothing else is read
        raise StoreError(foreign(where, str(error).split("\n", 1)[0])) from error


def foreign(where: str, why: str) -> str:
    """The line on a file that is as it was written, but not by this program or not by this version."""
    return f"{where} is not as hpt-study writes it ({why.removesuffix('.')}): remove its folder and {MEND}"


def _recorded(paths: Iterable[str], name: str) -> set[str]:
    """The stages or runs that have a record, among paths such as ``stages/ID/stage.json``."""
    return {path.split("/")[1] for path in paths if path.count("/") == 2 and path.endswith(f"/{name}")}


def _checksum(record: dict[str, Any]) -> str:
    """Of all a record says but its own checksum."""
    return content_id({key: value for key, value in record.items() if key != "checksum"}, length=64)
