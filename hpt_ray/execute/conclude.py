"""From finished stages to a run's folder: tables, manifest, verdicts and report."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from hpt_ray import results
from hpt_ray.analysis.run import Run
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.errors import StoreError
from hpt_ray.execute import account
from hpt_ray.execute.collect import collect, finished
from hpt_ray.execute.events import NEEDS
from hpt_ray.execute.prepare import Prepared
from hpt_ray.plan import Plan
from hpt_ray.policy import Policy
from hpt_ray.registry import load, names
from hpt_ray.store import MANIFEST, PLAN, Store, parquet
from hpt_ray.study import Pretraining
from hpt_ray.training import audit
from hpt_ray.training.preview import preview


@dataclass(frozen=True)
class Result:
    """What a run left behind.

    Attributes:
        run: the tables (pandas) and manifest, ready for ``hpt_ray.analysis``.
        verdicts: what the run says about each of its targets.
        results: path or address of the results table. report: of the HTML report.
        failures: reasons by stage label; empty when every cell is there.
    """

    run: Run
    verdicts: tuple[Verdict, ...]
    results: str
    report: str
    failures: dict[str, str]


def name_of(plan: Plan) -> str:
    """What a run is called: the folder in its store where it keeps its tables and report."""
    return f"{plan.study.name}-{plan.id}"


def conclude(prepared: Prepared, store: Store, manifest: dict[str, Any]) -> Result:
    """Collect what the store has of a plan, and write the run's folder: tables, manifest and report."""
    plan, folder = prepared.plan, f"runs/{name_of(prepared.plan)}"
    there = finished(plan, store)
    tables = collect(plan, store, there)
    manifest["study"] = plan.study.model_dump(mode="json")
    missing = {stage: store.failure(stage) for stage in plan.stages if stage not in there}
    manifest["compute_seconds"] = sum(each.record["work_seconds"] for each in there.values())
    manifest["stages"] = {
        "total": len(plan.stages),
        "cached": manifest["cached"],
        "trained": len(there) - manifest["cached"],
        "failed": sum(reason is not None for reason in missing.values()),
        "not_run": sum(reason is None for reason in missing.values()),
    }
    manifest["weights"] = _loaded(plan, there, store)
    manifest["given_up"] = _given_up(plan, there, missing, manifest.get("given_up"))
    cells = _cells(plan, missing)
    manifest["failures"] = [
        {"stage": stage, "reason": reason or "not run yet", "cells": cells[stage]} for stage, reason in missing.items()
    ]
    views = pa.Table.from_pylist(_views(prepared), schema=results.VIEWS)
    frames = {name: results.to_frame(table) for name, table in {**tables, "views": views}.items()}
    made = Run(**frames, manifest=manifest)
    from hpt_ray.report import render, verdicts

    dashboard = dashboard_for(plan.study.name)
    found = verdicts(made, dashboard)
    files = {PLAN: account.plan(plan), "report.html": render(made, dashboard, found).encode()}
    files |= {f"{name}.parquet": parquet(table) for name, table in {**tables, "views": views}.items()}
    store.seal(folder, MANIFEST, files, manifest)
    failures = {plan.stages[stage].label: reason for stage, reason in missing.items() if reason}
    paths = store.path(f"{folder}/results.parquet"), store.path(f"{folder}/report.html")
    return Result(made, tuple(found), *paths, failures)


def dashboard_for(study: str) -> Any:
    """The study's own dashboard, or for a user's own study the one of the augmentation ablation."""
    return load("dashboards", study if study in names("dashboards") else "augment_ablation")


def _given_up(plan: Plan, there: Collection[str], missing: Mapping[str, str | None], known: str | None) -> str | None:
    """The one reason for which nothing can be said: the run was given up for it, or no cell was finished for it."""
    reasons = {reason for reason in missing.values() if reason and not reason.startswith(NEEDS)}
    if known in reasons:
        return known
    nothing = not any(set(cell.evaluations) <= set(there) for cell in plan.cells)
    return reasons.pop() if nothing and len(reasons) == 1 else None


def _loaded(plan: Plan, there: Collection[str], store: Store) -> list[str]:
    """What was taken over of each checkpoint that the run was given, as its stage wrote it down."""
    lines = []
    for stage in plan.stages.values():
        if stage.kind == "weights" and stage.id in there:
            try:
                found = audit.Audit.model_validate((store.record(stage.id) or {})["audit"])
            except (KeyError, ValidationError) as error:
                place = store.path(f"stages/{stage.id}")
                raise StoreError(f"the record of stage {stage.id} is none of ours: remove {place}.") from error
            lines += audit.lines(str(stage.source), found)
    return lines


def _cells(plan: Plan, stages: Collection[str]) -> dict[str, list[str]]:
    """By each of some stages the labels of the cells that need it."""
    found: dict[str, list[str]] = {stage: [] for stage in stages}
    for cell in plan.cells:
        for stage in found.keys() & {*cell.phases, *cell.evaluations, *cell.step0}:
            found[stage].append(cell.label)
    return found


def _views(prepared: Prepared) -> list[dict[str, Any]]:
    study = prepared.plan.study
    levels: dict[str, Policy] = {}
    for factor in study.factors:
        if factor.field == "policy":
            levels = {name: Policy.model_validate(value) for name, value in factor.levels.items()}
    if study.search is not None:  # has tried too many policies to look at: those that it confirms are shown
        confirmed = [cell.levels.values() for cell in prepared.plan.cells if cell.seed not in study.search.seeds]
        levels = {name: levels[name] for name in levels if any(name in names for names in confirmed)}
    recipe = study.recipes.get("target")
    if not levels and isinstance(recipe, Pretraining):
        levels = {"policy": recipe.policy}
    return preview(prepared.datasets[study.targets[0]], levels, study.image_size)
