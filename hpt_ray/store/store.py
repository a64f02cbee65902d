"""The store: where stages and runs live, in a local folder, on a shared file system or in an object store.

    STORE/stages/ID/   stage.json (written last: it makes the stage finished), weights, tables
    STORE/runs/STUDY-PLAN/   plan, results, predictions, curves, views and report of one run, and run.json (last);
                             label.json and log.txt; heartbeat.json and a report so far while the run goes on

A record, ``stage.json`` or ``run.json``, has the checksum of every other file in its folder and of itself, so that
damaged files are never used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from hpt_ray.core.errors import StoreError, StudyError, explain
from hpt_ray.core.identity import content_id
from hpt_ray.store.files import MEND, CheckedFile, Files, foreign
from hpt_ray.store.records import AnyRecord, Manifest, Sealed, StageRecord
from hpt_ray.store.tables import from_parquet

RECORD, FAILURE, CHECKPOINT, WEIGHTS = "stage.json", "failed.json", "checkpoint.pt", "weights.safetensors"
#: The file of a trunk that has all that a stage needs to go on with its training.
STATE = "state.pt"
MANIFEST, PLAN, VIEWS, VERDICT, REPORT = "run.json", "plan.json", "views.parquet", "verdict.json", "report.html"
#: What reading untrusted JSON raises: it may be no JSON, lack a key, have another type, or be nested too deeply.
NOT_OURS = (ValueError, KeyError, TypeError, RecursionError)
#: Files that are checked at the same time, each in memory; reading and hashing release Python's global lock.
THREADS = 8


@dataclass(frozen=True)
class Damage:
    """The first damaged file of a stage or run, and what is wrong with it."""

    file: str
    why: str

    def __str__(self) -> str:
        return f"{self.file} {self.why}"


class Store(Files):
    """Reads and writes stages and runs under one root."""

    def runs(self) -> set[str]:
        """The names of all runs that have begun."""
        return _recorded(self.sizes("runs"), MANIFEST)

    def finished(self) -> set[str]:
        """The ids of all finished stages."""
        return _recorded(self.sizes("stages"), RECORD)

    def trunks(self) -> set[str]:
        """The ids of all finished stages that others can go on from."""
        sizes = self.sizes("stages")
        return _recorded(sizes, RECORD) & _recorded(sizes, STATE)

    def planned_as(self, stage: str) -> dict[str, Any]:
        """The fields of a finished stage in its plan. Raises StoreError if its record is damaged."""
        return self._record(f"stages/{stage}/{RECORD}")

    def record(self, stage: str) -> StageRecord | None:
        """The record of a finished stage; None if it is not finished.

        Raises:
            StoreError: if it is damaged.
        """
        path = f"stages/{stage}/{RECORD}"
        return self._parsed(path, StageRecord) if self.exists(path) else None

    def files_of(self, stage: str) -> list[str]:
        """The names of a finished stage's files, its record among them. Raises StoreError if that is damaged."""
        return [RECORD, *self._record(f"stages/{stage}/{RECORD}")["files"]]

    def finish(
        self, stage: str, files: dict[str, bytes], record: StageRecord, planned: Mapping[str, Any] | None = None
    ) -> None:
        """Write a stage's files and, last, its record; delete its checkpoint and the note of an earlier failure.

        Args:
            planned: the stage's fields in the plan, which are written into the same file as the record.
        """
        self._seal(f"stages/{stage}", RECORD, files, record, planned or {})
        self.remove(f"stages/{stage}/{CHECKPOINT}")
        self.remove(f"stages/{stage}/{FAILURE}")

    def write_run(self, run: str, files: dict[str, bytes], manifest: Manifest) -> None:
        """Write a run's files and, last, its manifest."""
        self._seal(f"runs/{run}", MANIFEST, files, manifest, {})

    def stage_file(self, stage: str, name: str, record: StageRecord | None = None) -> bytes:
        """A file of a finished stage, checked against its checksum in the stage's record (None: read here).

        Raises:
            StoreError: if the stage is not finished or the file is damaged.
        """
        record = record or self.record(stage)
        if record is None:
            raise StoreError(f"stage {stage} is not finished in {self.shown}: run the study that makes it first.")
        return self._file(f"stages/{stage}/{name}", record.files.get(name))

    def weights(self, stage: str) -> bytes:
        """The weights of a finished stage, as safetensors. Raises StoreError as ``stage_file``."""
        return self.stage_file(stage, WEIGHTS)

    def stage_table(self, stage: str, name: str) -> pa.Table:
        return from_parquet(self.stage_file(stage, name), self.path(f"stages/{stage}/{name}"))

    def manifest(self, run: str) -> Manifest:
        """The manifest of a run. Raises StoreError if it is damaged."""
        return self._parsed(f"runs/{run}/{MANIFEST}", Manifest)

    def run_file(self, run: str, name: str) -> bytes:
        """A file of a run. Raises StoreError if it is missing or damaged."""
        checksum = self._record(f"runs/{run}/{MANIFEST}")["files"].get(name)
        if checksum is None:
            raise StoreError(f"{self.path(f'runs/{run}/{name}')} was not written: {MEND}")
        return self._file(f"runs/{run}/{name}", checksum)

    def run_table(self, run: str, name: str) -> pa.Table:
        return from_parquet(self.run_file(run, name), self.path(f"runs/{run}/{name}"))

    def planned(self, run: str) -> list[str]:
        """The ids of the stages of a run's plan.

        Raises:
            StoreError: if the plan is damaged, or names no stages.
        """
        try:
            ids = [stage["id"] for stage in json.loads(self.run_file(run, PLAN))["stages"]]
        except NOT_OURS:
            ids = [None]
        if not all(isinstance(stage, str) for stage in ids):
            raise StoreError(foreign(self.path(f"runs/{run}/{PLAN}"), "it names no stages"))
        return ids

    def damaged(self, stages: Iterable[str]) -> dict[str, Damage]:
        """Which of these stages are finished but damaged.

        Raises:
            StoreError: if an existing file cannot be read: it may be intact.
        """
        return self._damaged("stages", RECORD, stages)

    def damaged_runs(self, runs: Iterable[str]) -> dict[str, Damage]:
        """Which of these runs have a damaged record, plan, table or report. Raises as ``damaged`` does."""
        return self._damaged("runs", MANIFEST, runs)

    def delete(self, stage: str) -> None:
        """Delete a stage, its record first, so that the next run recomputes it."""
        self.remove(f"stages/{stage}/{RECORD}")
        self.remove_folder(f"stages/{stage}")

    def fail(self, stage: str, reason: str) -> None:
        self.write_json(f"stages/{stage}/{FAILURE}", {"reason": reason})

    def failure(self, stage: str) -> str | None:
        """Why the last attempt at a stage failed; None if it did not fail."""
        path = f"stages/{stage}/{FAILURE}"
        if not self.exists(path):
            return None
        try:
            return str(json.loads(self.read(path))["reason"])
        except NOT_OURS:
            return "the note of why it failed is damaged"

    def checkpoint(self, stage: str) -> CheckedFile:
        return CheckedFile(self, f"stages/{stage}/{CHECKPOINT}")

    def _seal(self, folder: str, name: str, files: dict[str, bytes], record: Sealed, beside: Mapping[str, Any]) -> None:
        """Write files into a folder and, last, the record ``name`` with their checksums, its own and other fields."""
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
        except StudyError as error:  # the study in it is not consistent
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
        """A record whose checksum is right; None if it is damaged."""
        try:
            record = json.loads(self.read(path))
            intact = record["checksum"] == _checksum(record) and isinstance(record["files"], dict)
        except NOT_OURS:
            return None
        return record if intact else None

    def _damaged(self, kind: str, name: str, among: Iterable[str]) -> dict[str, Damage]:
        sizes = self.sizes(kind)
        recorded = sorted(_recorded(sizes, name).intersection(among))
        with ThreadPoolExecutor(THREADS) as pool:
            damages = pool.map(lambda each: self._damage(f"{kind}/{each}", name, sizes), recorded)
            return {each: damage for each, damage in zip(recorded, damages, strict=True) if damage}

    def _damage(self, folder: str, name: str, existing: Container[str]) -> Damage | None:
        record = self._proven(f"{folder}/{name}")
        if record is None:
            return Damage(name, "has another checksum")
        for file, checksum in record["files"].items():
            if f"{folder}/{file}" not in existing:
                return Damage(file, "is missing")
            if hashlib.sha256(self.read(f"{folder}/{file}")).hexdigest() != checksum:
                return Damage(file, "has another checksum")
        return None


def _recorded(paths: Iterable[str], name: str) -> set[str]:
    """The ids of the stages or runs with a record, from paths such as ``stages/ID/stage.json``."""
    return {path.split("/")[1] for path in paths if path.count("/") == 2 and path.endswith(f"/{name}")}


def _checksum(record: dict[str, Any]) -> str:
    """The checksum of a record: of all its fields but the checksum itself."""
    return content_id({key: value for key, value in record.items() if key != "checksum"}, length=64)
