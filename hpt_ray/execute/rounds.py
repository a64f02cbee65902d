"""The rounds of a search, whose plan grows with the results in a store."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from hpt_ray.core.errors import StoreError
from hpt_ray.data.dataset import Dataset
from hpt_ray.execute.collect import checked
from hpt_ray.execute.trunks import continued
from hpt_ray.execute.worker import RESULTS
from hpt_ray.planning.plan import Cell, Plan, Unit
from hpt_ray.planning.search import unfold
from hpt_ray.spec.study import Study
from hpt_ray.store.files import foreign
from hpt_ray.store.store import Store


def foreseen(study: Study, datasets: Mapping[str, Dataset], store: Store) -> Plan:
    """The plan of the whole search, with an estimate of its later rounds."""
    return unfold(study, datasets, score(store, lambda stage: False)).plan


def known(study: Study, datasets: Mapping[str, Dataset], store: Store) -> Plan:
    """The part of the plan that follows from the results and failures so far."""
    return unfold(study, datasets, score(store, lambda stage: store.failure(stage) is not None)).ready


def rounds(study: Study, datasets: Mapping[str, Dataset], store: Store) -> Iterator[tuple[Plan, list[Unit]]]:
    """The units left to run, round by round, each with the plan at that time.

    A backend requests the next round when every unit of the previous one has ended. A unit that ended without a result
    has failed; the next run tries it again.
    """
    queued: set[str] = set()
    while True:
        unfolded = unfold(study, datasets, score(store, queued.__contains__))
        left = continued(unfolded.ready, store).units(without=store.finished())
        units = [unit for unit in left if not queued.issuperset(stage.id for stage in unit.stages)]
        if not units:
            return
        queued |= {stage.id for unit in units for stage in unit.stages}
        yield unfolded.plan, units


def score(store: Store, failed: Callable[[str], bool]) -> Callable[[Cell], float | None]:
    """What a search looks at: a cell's metric on val in the first evaluation, a mean over its repeats.

    NaN where ``failed`` is true of one of the cell's stages, None where its result is simply not there yet.
    """
    read: dict[str, float] = {}

    def value(cell: Cell) -> float | None:
        stage = cell.evaluations[0]
        if stage not in read:
            if store.record(stage) is None:
                return math.nan if any(failed(each) for each in (*cell.phases, stage)) else None
            rows = checked(store, stage, RESULTS, store.stage_table(stage, RESULTS)).to_pylist()
            values = [row.get("value") for row in rows if row["split"] == "val" and not row.get("class")]
            if not values or None in values:
                raise StoreError(foreign(store.path(f"stages/{stage}/{RESULTS}"), "it has no value on val"))
            read[stage] = float(np.mean(values))
        return read[stage]

    return value
