"""Is a store what was written? Checksums of every stage and run, and what nobody reads any more."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from hpt_ray.core.errors import StoreError
from hpt_ray.store.store import MANIFEST, PLAN, Damage, Store


@dataclass(frozen=True)
class Findings:
    """What a store holds and what is wrong with it; sizes in bytes.

    Attributes:
        runs, stages, size: how many runs and finished stages there are, and how large all files are together.
        damaged: finished stages that are not what was written. A run that needs them computes them anew.
        tables: runs with a table or a report that is not what was written. The stages can give them again.
        lost: runs whose record or plan is not what was written. The study can be run again, from the same stages.
        leftovers: files that nobody reads any more, and their sizes.
        orphans: sound stages that no run names, and their sizes. Another run may still want them.
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
        """Whether there is nothing to mend; orphans are no fault."""
        return not (self.damaged or self.tables or self.lost or self.leftovers)


def verify(store: Store) -> Findings:
    """Check all that a store holds, which must be at rest: what a run is writing looks left over. Changes nothing.

    Raises:
        StoreError: if something that is there cannot be read.
    """
    sizes = {**store.sizes("stages"), **store.sizes("runs")}
    runs, finished = store.runs(), store.finished()
    damaged, broken = store.damaged(finished), store.damaged_runs(runs)
    lost = {run: damage for run, damage in broken.items() if damage.file in (MANIFEST, PLAN)}
    named = set[str]()
    for run in runs - set(lost):
        try:
            named.update(store.planned(run))
        except StoreError:
            lost[run] = Damage(PLAN, "names no stages")
    holds = {
        stage: [f"stages/{stage}/{file}" for file in store.files_of(stage)] for stage in sorted(finished - set(damaged))
    }
    kept = set(itertools.chain(*holds.values()))
    if lost:  # what they name is not known, so any stage may be
        named = {path.split("/")[1] for path in sizes}

    def left_over(path: str) -> bool:
        kind, owner, *_ = path.split("/")
        if kind == "runs":
            return path.endswith(".tmp") or owner not in runs
        if owner in finished:
            return owner in holds and path not in kept  # the files of a damaged stage go with it
        return path.endswith(".tmp") or owner not in named

    return Findings(
        runs=len(runs),
        stages=len(finished),
        size=sum(sizes.values()),
        damaged=damaged,
        tables={run: damage for run, damage in broken.items() if run not in lost},
        lost=lost,
        leftovers={path: size for path, size in sizes.items() if left_over(path)},
        orphans={stage: sum(map(sizes.__getitem__, files)) for stage, files in holds.items() if stage not in named},
    )


def clear(store: Store, found: Findings) -> None:
    """Remove what is damaged, but for tables, and what is left over."""
    for stage in found.damaged:
        store.forget(stage)
    for run in found.lost:
        store.remove_folder(f"runs/{run}")
    for path in found.leftovers:
        store.remove(path)
