"""How to write the report of a stored run again."""

from __future__ import annotations

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.execute import stored
from hpt_ray.execute.finalize import Result, finalize, publish, run_of, views
from hpt_ray.execute.prepare import Prepared, prepare, with_results
from hpt_ray.planning.plan import Plan
from hpt_ray.spec.grid import python_files_of
from hpt_ray.spec.study import Study
from hpt_ray.store import schema as results
from hpt_ray.store.files import foreign
from hpt_ray.store.labels import latest
from hpt_ray.store.store import MANIFEST, Store


def read_run(store: Store, name: str) -> tuple[Plan, Run]:
    """The plan and the tables of a run as they are stored. Raises StoreError if they are missing or damaged."""
    plan = stored.plan(store, name)
    tables = stored.tables(store, name, plan.study) | {"views": stored.table(store, name, "views", results.VIEWS)}
    return plan, run_of(tables, store.manifest(name).model_copy(update={"study": plan.study}))


def rewrite(store: Store, name: str, *, trust: bool = False) -> Result:
    """Write a run's tables and report again, from its plan and the current state of its stages; trains nothing.

    Data, checkpoints and Python files that the run used are not read, except a metric. They are needed only if its plan
    or the views in its report are not stored: for runs of earlier versions, and for a search that was interrupted.

    Args:
        trust: execute the Python files that the run used, if they are needed. They are named by the store, which may
            come from someone else.

    Raises:
        UnknownNameError: if the store has no such run. StoreError: if it cannot be written again from the same data and
            code.
    """
    chosen = latest(store, name)
    manifest = store.manifest(chosen)
    store.planned(chosen)  # raises for a damaged plan, so that it is not overwritten
    try:
        plan, shown = stored.plan(store, chosen), stored.table(store, chosen, "views", results.VIEWS)
    except StoreError as error:
        prepared = _prepare_again(store, chosen, manifest.study, trust, error)
        return finalize(prepared.plan, views(prepared), store, manifest)
    lacked = {failure.stage for failure in manifest.failures or ()}
    if not (lacked <= plan.stages.keys() and manifest.datasets.keys() >= set(plan.study.targets)):
        raise StoreError(foreign(store.path(f"runs/{chosen}/{MANIFEST}"), "it does not fit the plan beside it"))
    check_trusted(plan, trust)
    # If stages have been deleted since, their results are only in the run's tables.
    if manifest.collected and not plan.stages.keys() - lacked <= store.finished():
        return publish(plan, {**stored.tables(store, chosen, plan.study), "views": shown}, store, manifest)
    return finalize(plan, shown, store, manifest)


def check_trusted(plan: Plan, trust: bool) -> None:
    """Raise StoreError for a run whose metrics or dashboard are Python of its own, which is not trusted."""
    named = {stage.content.metric for stage in plan.stages.values() if stage.kind == "evaluate"}
    files = sorted(filter(registry.is_path, named | {plan.study.metric or "", plan.study.dashboard or ""}))
    if files and not trust:
        raise StoreError(
            f"run {plan.run} is measured or shown by Python of its own ({', '.join(files)}), which writing its report "
            "would run: look at it, and if you trust it, add --trust."
        )


def _prepare_again(store: Store, run: str, study: Study, trust: bool, lacking: StoreError) -> Prepared:
    """The plan and data of a run, prepared again from its study.

    Args:
        lacking: the error about what is missing in its folder.
    """
    changed = f"{lacking} It can be computed again only from data and code that have not changed since run {run}."
    try:
        if not trust and (files := python_files_of(study)):
            raise StoreError(
                f"{lacking} Run {run} was made with Python of its own ({', '.join(files)}), which computing it "
                "again would run: look at it, and if you trust it, add --trust."
            )
        prepared = prepare(study, store)
    except StoreError:
        raise
    except StudyError as error:
        raise StoreError(f"{lacking} It cannot be computed again: {error}") from error
    if prepared.plan.run != run:
        raise StoreError(changed)
    return with_results(prepared, store)
