"""A study's work in rounds: all of it at once, or of a search as much as is known so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from hpt_ray.execute.collect import score
from hpt_ray.execute.prepare import Prepared
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.planning.search import unfold
from hpt_ray.store.store import Store


def rounds(prepared: Prepared, store: Store) -> Iterator[tuple[Plan, list[Unit]]]:
    """What is left to do, round by round, with the plan as it then stands.

    A runner asks for the next round when every unit of the one before has ended. What has ended without a result has
    failed; a run that begins anew tries it once more.
    """
    study = prepared.plan.study
    if study.search is None:
        if units := prepared.plan.units(without=store.finished()):
            yield prepared.plan, units
        return
    given: set[str] = set()
    while True:
        found = unfold(study, prepared.datasets, score(store, given.__contains__))
        left = found.ready.units(without=store.finished())
        units = [unit for unit in left if not given.issuperset(stage.id for stage in unit.stages)]
        if not units:
            return
        given |= {stage.id for unit in units for stage in unit.stages}
        yield found.plan, units


def settled(prepared: Prepared, store: Store) -> Prepared:
    """A study with the plan that a report is about: of a search, what is known from the results and failures there."""
    study = prepared.plan.study
    if study.search is None:
        return prepared
    found = unfold(study, prepared.datasets, score(store, lambda stage: store.failure(stage) is not None))
    return dataclasses.replace(prepared, plan=found.ready)
