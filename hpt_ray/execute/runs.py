"""The runs a store holds: how complete each is, and its report written again."""

from __future__ import annotations

from pydantic import ValidationError

from hpt_ray.errors import StoreError, UnknownNameError
from hpt_ray.execute.conclude import Result, conclude, name_of
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.rounds import settled
from hpt_ray.policy import Frozen
from hpt_ray.store import Store
from hpt_ray.study import Study


class RunState(Frozen):
    """One run's folder, when it was started, and how many of its stages are finished."""

    name: str
    started: str
    finished: int
    total: int
    failed: int
    report: str


def runs(store: Store) -> list[RunState]:
    """Every run of a store, newest first."""
    finished, states = store.finished(), []
    for name in sorted(store.runs()):
        ids = [stage["id"] for stage in store.plan(name)["stages"]]
        states.append(
            RunState(
                name=name,
                started=store.manifest(name)["started"],
                finished=len(finished.intersection(ids)),
                total=len(ids),
                failed=sum(store.failure(stage) is not None for stage in ids if stage not in finished),
                report=store.path(f"runs/{name}/report.html"),
            )
        )
    return sorted(states, key=lambda state: state.started, reverse=True)


def rewrite(store: Store, name: str) -> Result:
    """Collect a run's tables and write its report again; trains nothing.

    Raises:
        UnknownNameError: if the store has no such run. StoreError: if it cannot be made again as it was.
    """
    known = store.runs()
    named = [name] if name in known else sorted(run for run in known if run.rsplit("-", 1)[0] == name)
    if not named:
        raise UnknownNameError("run", name, known)
    manifests = {run: store.manifest(run) for run in named}
    chosen = max(named, key=lambda run: manifests[run]["started"])
    store.plan(chosen)  # a damaged one is told of, not written over
    changed = f"run {chosen} was made from data or code that has changed since: run the study again."
    try:
        study = Study.model_validate(manifests[chosen]["study"])
    except (ValidationError, KeyError) as error:
        raise StoreError(changed) from error
    prepared = prepare(study, store)
    if name_of(prepared.plan) != chosen:
        raise StoreError(changed)
    return conclude(settled(prepared, store), store, manifests[chosen])
