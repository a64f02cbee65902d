"""The runs a store holds: how complete each is, and its report written again."""

from __future__ import annotations

import datetime

from pydantic import ValidationError

from hpt_ray import registry
from hpt_ray.errors import StoreError, UnknownNameError
from hpt_ray.execute.conclude import Result, conclude, name_of
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.rounds import settled
from hpt_ray.plan import data_of, recipes_of
from hpt_ray.policy import Frozen
from hpt_ray.store import Store
from hpt_ray.study import Pretraining, Study


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
        try:
            ids = [str(stage["id"]) for stage in store.plan(name)["stages"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"the plan of run {name} is none of ours: remove {store.path(f'runs/{name}')}.") from error
        states.append(
            RunState(
                name=name,
                started=_started(store, name),
                finished=len(finished.intersection(ids)),
                total=len(ids),
                failed=sum(store.failure(stage) is not None for stage in ids if stage not in finished),
                report=store.path(f"runs/{name}/report.html"),
            )
        )
    return sorted(states, key=lambda state: state.started, reverse=True)


def _started(store: Store, run: str) -> str:
    """When a run was started, as its manifest says in ISO 8601."""
    try:
        started = str(store.manifest(run)["started"])
        datetime.datetime.fromisoformat(started)
    except (ValueError, KeyError) as error:
        raise StoreError(f"the record of run {run} is none of ours: remove {store.path(f'runs/{run}')}.") from error
    return started


def rewrite(store: Store, name: str, *, trust: bool = False) -> Result:
    """Collect a run's tables and write its report again; trains nothing.

    Args:
        trust: run the Python files that the run was made with, as its record names them. A store may be a stranger's.

    Raises:
        UnknownNameError: if the store has no such run. StoreError: if it cannot be made again as it was.
    """
    known = store.runs()
    named = [name] if name in known else sorted(run for run in known if run.rsplit("-", 1)[0] == name)
    if not named:
        raise UnknownNameError("run", name, known)
    chosen = max(named, key=lambda run: _started(store, run))
    manifest = store.manifest(chosen)
    store.plan(chosen)  # raises for a damaged plan, which is not written over
    changed = f"run {chosen} was made from data or code that has changed since: run the study again."
    try:
        study = Study.model_validate(manifest["study"])
    except (ValidationError, KeyError) as error:
        raise StoreError(changed) from error
    if not trust and (files := code_of(study)):
        raise StoreError(
            f"run {chosen} was made with Python of its own ({', '.join(files)}), which its report would run: look at "
            "it, and if you trust it, add --trust."
        )
    prepared = prepare(study, store)
    if name_of(prepared.plan) != chosen:
        raise StoreError(changed)
    return conclude(settled(prepared, store), store, manifest)


def code_of(study: Study) -> list[str]:
    """The Python files that a study names as paths: its data sets, network, methods and evaluations."""
    named = {recipe.method for recipe in recipes_of(study) if isinstance(recipe, Pretraining)}
    named |= {evaluation.probe for evaluation in study.evaluations}
    family, _, member = study.backbone.partition("/")
    if family not in registry.names("backbones") or member.endswith(".py"):
        named.add(study.backbone)
    data = {spec for spec in data_of(study) if spec.partition(":")[0].endswith(".py")}
    return sorted(data.union(filter(registry.is_path, named)))
