"""Check the integrity of a store: checksums of every stage and run, and files that are no longer used."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hpt_ray.core.errors import StoreError
from hpt_ray.store.store import MANIFEST, PLAN, Damage, Store


@dataclass(frozen=True)
class Findings:
    """What a store contains and what is wrong with it; sizes in bytes.

    Attributes:
        runs, stages, size: number of runs, number of finished stages, and size of all files together.
        damaged: finished stages with a damaged file. A run that needs them recomputes them.
        tables: runs with a damaged table or report, which can be written again from the stages.
        lost: runs with a damaged record or plan. The study can be run again, with the same stages.
        leftovers: files that are no longer used, with their sizes.
        orphans: intact stages that no run names, with their sizes. A later run may still use them.
    """

    runs: int
    stages: int
    size: int
    damaged: dict[str, Damage]
    tables: dict[str, Damage]
    lost: dict[str, Damage]
    leftovers: dict[str, int]
    orphans: dict[str, int]

    @property
    def sound(self) -> bool:
        """Whether there is nothing to repair; orphans are no fault."""
        return not (self.damaged or self.tables or self.lost or self.leftovers)


def verify(store: Store) -> Findings:
    """Check all files of a store. Changes nothing.

    No run may use the store meanwhile: files that are being written look like leftovers.

    Raises:
        StoreError: if an existing file cannot be read.
    """
    sizes = {**store.sizes("stages"), **store.sizes("runs"), **_tokens(store)}
    runs, finished = store.runs(), store.finished()
    damaged, damaged_runs = store.damaged(finished), store.damaged_runs(runs)
    lost = {run: damage for run, damage in damaged_runs.items() if damage.file in (MANIFEST, PLAN)}
    named = set[str]()
    for run in runs - set(lost):
        try:
            named.update(store.planned(run))
        except StoreError:
            lost[run] = Damage(PLAN, "names no stages")
    files_of = {
        stage: [f"stages/{stage}/{file}" for file in store.files_of(stage)] for stage in sorted(finished - set(damaged))
    }
    recorded_files = set(itertools.chain(*files_of.values()))
    if lost:  # the stages that they name are unknown, so any stage may be one of them
        named = {path.split("/")[1] for path in sizes}

    def left_over(path: str) -> bool:
        kind, owner, *_ = path.split("/")
        if kind == "runs":
            return path.endswith(".tmp") or owner not in runs
        if owner in finished:
            return owner in files_of and path not in recorded_files  # the files of a damaged stage are deleted with it
        return path.endswith(".tmp") or owner not in named

    return Findings(
        runs=len(runs),
        stages=len(finished),
        size=sum(sizes.values()),
        damaged=damaged,
        tables={run: damage for run, damage in damaged_runs.items() if run not in lost},
        lost=lost,
        leftovers={path: size for path, size in sizes.items() if left_over(path)},
        orphans={stage: sum(map(sizes.__getitem__, files)) for stage, files in files_of.items() if stage not in named},
    )


def _tokens(store: Store) -> dict[str, int]:
    """The files by which nodes see the store, which a run that was killed leaves behind."""
    return {path: size for path, size in store.sizes("locks").items() if path.endswith(".seen")}


def clear(store: Store, findings: Findings) -> None:
    """Delete damaged stages, lost runs and leftovers; damaged tables are left to be written again."""
    for stage in findings.damaged:
        store.delete(stage)
    for run in findings.lost:
        store.remove_folder(f"runs/{run}")
    for path in findings.leftovers:
        store.remove(path)
