"""Weights & Biases: a run in the study's project, offline unless WANDB_MODE says otherwise, with the report."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.report.watched import Watched, WatchedCurve

try:
    import wandb
except ImportError as error:
    raise StudyError("--watch wandb needs wandb: pip install 'hpt_ray[wandb]'.") from error


def writer(watched: Watched) -> str:
    mode: Any = os.environ.get("WANDB_MODE", "offline")  # wandb itself says which there are
    run = wandb.init(
        mode=mode,
        project=watched.study,
        name=watched.name,
        config=watched.settings,
        settings=wandb.Settings(console="off", silent=True),
    )
    for curve in watched.curves:
        _log(run, curve)
    run.summary.update(watched.metrics | {"verdict": watched.verdict})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        report.write_bytes(watched.report)
        artifact = wandb.Artifact(f"report-{run.id}", type="report")
        artifact.add_file(str(report))
        run.log_artifact(artifact)
        place = Path(run.dir).parent
        run.finish()
    return f"wandb sync {place}" if mode == "offline" else f"wandb project {watched.study}"


def _log(run: Any, curve: WatchedCurve) -> None:
    """A curve over its own iterations: steps of the run itself only ever grow."""
    run.define_metric(f"{curve.name}/*", step_metric=f"{curve.name}/iteration")
    by_iteration: dict[int, dict[str, float]] = {}
    for measure, points in curve.measures.items():
        for iteration, value in points:
            by_iteration.setdefault(iteration, {})[f"{curve.name}/{measure}"] = value
    for iteration in sorted(by_iteration):
        run.log({f"{curve.name}/iteration": iteration} | by_iteration[iteration])
