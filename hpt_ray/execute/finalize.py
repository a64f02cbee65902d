"""Write a run's folder from its finished stages: tables, manifest, verdicts and report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pydantic import ValidationError

from hpt_ray.analysis.measures.run import Run
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.advice_commands import commands
from hpt_ray.execute.collect import NOT_RUN, Finished, collect, finished
from hpt_ray.execute.events import NEEDS
from hpt_ray.execute.handed import handed
from hpt_ray.execute.handover import Handover, Level
from hpt_ray.execute.manifest import plan_json
from hpt_ray.execute.prepare import Prepared
from hpt_ray.planning.plan import Plan
from hpt_ray.report import dashboard
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Pretraining
from hpt_ray.store import schema as results
from hpt_ray.store.files import foreign
from hpt_ray.store.records import Counts, Failure, Manifest
from hpt_ray.store.store import PLAN, RECORD, REPORT, VERDICT, Store
from hpt_ray.store.tables import parquet, to_frame
from hpt_ray.training.preview import preview
from hpt_ray.training.weights import audit
from hpt_ray.training.weights.exported import Pretrained

if TYPE_CHECKING:
    from hpt_ray.analysis.verdict import Verdict
    from hpt_ray.report.advised import Advised
    from hpt_ray.report.winner import Handed


@dataclass(frozen=True)
class Result:
    """The results of a run, and its weights.

    Attributes:
        run: the tables (pandas) and manifest, ready for ``hpt_ray.analysis``.
        verdicts: the answer for each target.
        results: path or address of the results table. report: of the HTML report.
        failures: reasons by stage label; empty if every cell has its results.
        handover: the weights of the run, with the winners. handed: how to take these.
        advice: what an advice recommends; None of any other run.
    """

    run: Run
    verdicts: tuple[Verdict, ...]
    results: str
    report: str
    failures: dict[str, str]
    handover: Handover
    handed: list[Handed]
    advice: Advised | None = None

    def weights(
        self, arm: str | None = None, level: Level | None = None, seed: int | None = None, target: str | None = None
    ) -> Pretrained:
        """A pretrained network, in eval mode, with the ``mean``, ``std`` and ``image_size`` of its images.

        Args:
            arm: by its label or chain, such as "HPT" or "base>target"; None: the one that won.
            level: of a factor, or of several as a dict from their names; None: the winner's, or where arms are
                compared.
            seed: None: the one with the median score on val. target: needed of a run with several.

        Raises:
            StudyError: where the run has no such weights, with the reason.
        """
        return self.handover.pretrained(self.handover.choose(arm, level, seed, target))


def finalize(plan: Plan, views: pa.Table, store: Store, manifest: Manifest) -> Result:
    """Collect the results of a plan from the store, and write the run's folder: tables, manifest and report."""
    tables, manifest = _collected(plan, views, store, manifest)
    return publish(plan, tables, store, manifest)


def report_so_far(
    plan: Plan, manifest: Manifest, views: pa.Table, store: Store, stopping: Callable[[], bool] = lambda: False
) -> None:
    """Write the report of a run that goes on, and nothing else: its tables and its manifest follow at its end.

    Args:
        stopping: once it returns True, the report is not written any more.
    """
    from hpt_ray.report.render import render, verdicts

    tables, manifest = _collected(plan, views, store, manifest)
    run, page = run_of(tables, manifest), dashboard.find(plan.study)
    if stopping():
        return
    judged = verdicts(run, page)
    if stopping():
        return
    text = render(run, page, judged)
    # Another run of the same study may have ended on this store: its report, which is whole, stays.
    if not stopping() and not store.manifest(plan.run).collected:
        store.write(f"runs/{plan.run}/{REPORT}", text.encode())


def _collected(plan: Plan, views: pa.Table, store: Store, manifest: Manifest) -> tuple[dict[str, pa.Table], Manifest]:
    """The tables of a run from the finished stages of its plan, and what its manifest says of these."""
    stages = finished(plan, store)
    tables = collect(plan, store, stages)
    missing = {stage: store.failure(stage) for stage in plan.stages if stage not in stages}
    cells = _cells(plan, missing)
    collected = {
        "compute_seconds": sum(each.record.work_seconds for each in stages.values()),
        "stages": Counts(
            total=len(plan.stages),
            cached=manifest.cached,
            trained=len(stages) - manifest.cached,
            failed=sum(reason is not None for reason in missing.values()),
            not_run=sum(reason is None for reason in missing.values()),
        ),
        "weights": tuple(_loaded(plan, stages, store)),
        "given_up": _given_up(plan, stages, missing, manifest.given_up),
        "failures": tuple(
            Failure(stage=stage, reason=reason or NOT_RUN, cells=tuple(cells[stage]))
            for stage, reason in missing.items()
        ),
    }
    return {**tables, "views": views}, manifest.model_copy(update={"study": plan.study, **collected})


def publish(plan: Plan, tables: Mapping[str, pa.Table], store: Store, manifest: Manifest) -> Result:
    """Write the folder of a run: its tables, its manifest, and what follows from them as a report and as JSON."""
    from hpt_ray.report.advised import advised
    from hpt_ray.report.render import render, verdicts
    from hpt_ray.report.verdict_file import verdict_file
    from hpt_ray.report.winner import winner

    folder = f"runs/{plan.run}"
    manifest = manifest.model_copy(update={"study": plan.study})  # of a search: with the policies it tried
    run = run_of(tables, manifest)
    page = dashboard.find(plan.study)
    judged = verdicts(run, page)
    winners = {} if manifest.given_up else {verdict.target: winner(run, verdict) for verdict in judged}
    handover = Handover(store, plan, run, winners, {verdict.target: verdict.sentence for verdict in judged})
    how_to_take = handed(plan, manifest, winners.values())
    recommends = manifest.screening is not None and not manifest.given_up
    advice = advised(run, judged[0], partial(commands, manifest)) if recommends else None
    files = {
        PLAN: plan_json(plan),
        REPORT: render(run, page, judged, how_to_take, advice).encode(),
        VERDICT: verdict_file(run, judged, winners),
    } | ({"advice.json": advice.json} if advice else {})
    store.write_run(plan.run, files | {f"{name}.parquet": parquet(tables[name]) for name in tables}, manifest)
    failures = {
        plan.stages[failure.stage].label: failure.reason
        for failure in manifest.failures or ()
        if failure.reason != NOT_RUN
    }
    paths = store.path(f"{folder}/results.parquet"), store.path(f"{folder}/{REPORT}")
    return Result(run, tuple(judged), *paths, failures, handover, how_to_take, advice)


def run_of(tables: Mapping[str, pa.Table], manifest: Manifest) -> Run:
    """A run as the analysis sees it."""
    frames: dict[str, Any] = {name: to_frame(table) for name, table in tables.items()}
    return Run(**frames, manifest=manifest)


def _given_up(
    plan: Plan, finished_stages: Collection[str], missing: Mapping[str, str | None], known: str | None
) -> str | None:
    """The one reason for which a run has no results: it was given up for it, or no cell could be finished."""
    reasons = {reason for reason in missing.values() if reason and not reason.startswith(NEEDS)}
    if known in reasons:
        return known
    no_cell_finished = not any(set(cell.evaluations) <= set(finished_stages) for cell in plan.cells)
    return reasons.pop() if no_cell_finished and len(reasons) == 1 else None


def _loaded(plan: Plan, stages: Mapping[str, Finished], store: Store) -> list[str]:
    """What was loaded from each checkpoint of the run, from the records of their stages."""
    lines = []
    for stage in plan.stages.values():
        if stage.kind == "weights" and stage.id in stages:
            try:
                keys = audit.Audit.model_validate(stages[stage.id].record.audit)
            except ValidationError as error:
                record_path = store.path(f"stages/{stage.id}/{RECORD}")
                raise StoreError(foreign(record_path, "it does not say what was loaded")) from error
            lines += audit.lines(str(stage.source), keys)
    return lines


def _cells(plan: Plan, stages: Collection[str]) -> dict[str, list[str]]:
    """The labels of the cells that need each of these stages, by stage id."""
    labels: dict[str, list[str]] = {stage: [] for stage in stages}
    for cell in plan.cells:
        for stage in labels.keys() & plan.behind(cell.stages):
            labels[stage].append(cell.label)
    return labels


def views(prepared: Prepared) -> pa.Table:
    """Augmented views of the first target's images, for the report."""
    study = prepared.plan.study
    levels: dict[str, Policy] = {}
    for factor in study.factors:
        if factor.field == "policy":
            levels = {name: Policy.model_validate(value) for name, value in factor.levels.items()}
    if study.search is not None:  # it tries too many policies to show: only the confirmed ones are shown
        confirmed = [cell.levels.values() for cell in prepared.plan.cells if cell.seed not in study.search.seeds]
        levels = {name: levels[name] for name in levels if any(name in names for names in confirmed)}
    recipe = study.recipes.get("target")
    if not levels and isinstance(recipe, Pretraining):
        levels = {"policy": recipe.policy}
    rows = preview(prepared.datasets[study.targets[0]], levels, study.image_size)
    return pa.Table.from_pylist(rows, schema=results.VIEWS)
