"""The runs a store holds: how complete each is, and its report written again."""

from __future__ import annotations

import pyarrow as pa

from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError, StudyError, UnknownNameError
from hpt_ray.core.values import Frozen
from hpt_ray.execute import stored
from hpt_ray.execute.finalize import Result, finalize, publish, views
from hpt_ray.execute.prepare import Prepared, prepare, with_results
from hpt_ray.planning.plan import Plan, data_of, recipes_of
from hpt_ray.spec.study import Pretraining, Study
from hpt_ray.store import schema as results
from hpt_ray.store.store import MANIFEST, Store, foreign


class RunState(Frozen):
    """One run's folder, when it was started, and how many of its stages are finished; ``damage`` is why that is not
    known, in a line."""

    name: str
    started: str = ""
    finished: int = 0
    total: int = 0
    failed: int = 0
    report: str
    damage: str | None = None


def runs(store: Store) -> list[RunState]:
    """Every run of a store, newest first; those that are damaged last."""
    finished = store.finished()
    states = [_state(store, name, finished) for name in sorted(store.runs())]
    return sorted(states, key=lambda state: state.started, reverse=True)


def _state(store: Store, name: str, finished: set[str]) -> RunState:
    report = store.path(f"runs/{name}/report.html")
    try:
        ids, started = store.planned(name), store.manifest(name).started
        failed = sum(store.failure(stage) is not None for stage in ids if stage not in finished)
    except StoreError as error:
        return RunState(name=name, report=report, damage=str(error))
    return RunState(
        name=name,
        started=started,
        finished=len(finished.intersection(ids)),
        total=len(ids),
        failed=failed,
        report=report,
    )


def rewrite(store: Store, name: str, *, trust: bool = False) -> Result:
    """Write a run's tables and report again, from its plan and its stages as they are now; trains nothing.

    Neither the data nor the checkpoints that it was made from are read, nor is any Python that it names but a metric.
    They are needed only where the plan or the views that its page shows are not stored: of runs of earlier versions,
    and of a search that was interrupted.

    Args:
        trust: run the Python files that the run was made with, as its record names them, where they are needed. A store
            may be a stranger's.

    Raises:
        UnknownNameError: if the store has no such run. StoreError: if it cannot be made again as it was.
    """
    known = store.runs()
    named = [name] if name in known else sorted(run for run in known if run.rsplit("-", 1)[0] == name)
    if not named:
        raise UnknownNameError("run", name, known)
    chosen = max(named, key=lambda run: store.manifest(run).started)
    manifest = store.manifest(chosen)
    store.planned(chosen)  # raises for a damaged plan, which is not written over
    try:
        plan, shown = stored.plan(store, chosen), stored.table(store, chosen, "views", results.VIEWS)
    except StoreError as error:
        prepared = _prepared_again(store, chosen, manifest.study, trust, error)
        return finalize(prepared.plan, views(prepared), store, manifest)
    lacked = {failure.stage for failure in manifest.failures or ()}
    if not (lacked <= plan.stages.keys() and manifest.datasets.keys() >= set(plan.study.targets)):
        raise StoreError(foreign(store.path(f"runs/{chosen}/{MANIFEST}"), "it does not fit the plan beside it"))
    if not trust and (files := _metric_code(plan)):
        raise StoreError(
            f"run {chosen} is measured by Python of its own ({', '.join(files)}), which writing its report would run: "
            "look at it, and if you trust it, add --trust."
        )
    # Where stages that the tables were made of are no longer there, only the tables tell of them.
    if manifest.collected and not plan.stages.keys() - lacked <= store.finished():
        return publish(plan, {**_sealed(store, chosen, plan), "views": shown}, store, manifest)
    return finalize(plan, shown, store, manifest)


def _metric_code(plan: Plan) -> list[str]:
    """The metrics of a plan that are given by path."""
    named = {stage.content.metric for stage in plan.stages.values() if stage.kind == "evaluate"}
    return sorted(filter(registry.is_path, named | {plan.study.metric or ""}))


def _sealed(store: Store, run: str, plan: Plan) -> dict[str, pa.Table]:
    """The tables of a run as it left them."""
    factors = [factor.name for factor in plan.study.factors]
    schemas = {name: results.run_schema(schema, factors) for name, schema in results.TABLES.items()}
    return {name: stored.table(store, run, name, schema) for name, schema in schemas.items()}


def _prepared_again(store: Store, run: str, study: Study, trust: bool, lacking: StoreError) -> Prepared:
    """A run's plan and data, made as they were made for it.

    Args:
        lacking: what its folder lacks, without which its page cannot be written.
    """
    changed = f"{lacking} It can be computed again only from data and code that have not changed since run {run}."
    try:
        if not trust and (files := code_of(study)):
            raise StoreError(
                f"{lacking} Run {run} was made with Python of its own ({', '.join(files)}), which computing it "
                "again would run: look at it, and if you trust it, add --trust."
            )
        prepared = prepare(study, store)
    except StoreError:
        raise
    except StudyError as error:
        raise StoreError(f"{lacking} It cannot be computed again: {error}") from error
    if stored.name_of(prepared.plan) != run:
        raise StoreError(changed)
    return with_results(prepared, store)


def code_of(study: Study) -> list[str]:
    """The Python files that a study names as paths: its data sets, network, methods, evaluations and metric."""
    named = {recipe.method for recipe in recipes_of(study) if isinstance(recipe, Pretraining)}
    named |= {evaluation.probe for evaluation in study.evaluations} | {study.metric or ""}
    family, _, member = study.backbone.partition("/")
    if family not in registry.names("backbones") or member.endswith(".py"):
        named.add(study.backbone)
    data = {spec for spec in data_of(study) if spec.partition(":")[0].endswith(".py")}
    return sorted(data.union(filter(registry.is_path, named)))
