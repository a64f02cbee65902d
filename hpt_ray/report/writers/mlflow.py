"""MLflow: a run in the study's experiment, in ./mlruns unless MLFLOW_TRACKING_URI says otherwise, with the report."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

from hpt_ray.core.errors import StudyError
from hpt_ray.report.watched import Watched, file_name

try:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param
except ImportError as error:
    raise StudyError("--watch mlflow needs mlflow: pip install 'hpt_ray[mlflow]'.") from error

#: What MLflow takes in one call, and of one parameter.
MOST_METRICS, MOST_PARAMETERS, LONGEST = 1000, 100, 6000


def writer(watched: Watched) -> str:
    place = os.environ.get("MLFLOW_TRACKING_URI") or Path("mlruns").absolute().as_uri()
    if place.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow asks whether files are meant
    client = MlflowClient(tracking_uri=place)
    known = client.get_experiment_by_name(watched.study)
    experiment = known.experiment_id if known else client.create_experiment(watched.study)
    run = client.create_run(experiment, run_name=watched.name).info.run_id
    now = int(1000 * time.time())
    curves = (
        Metric(file_name(f"{curve.name}/{measure}"), value, now, iteration)
        for curve in watched.curves
        for measure, points in curve.measures.items()
        for iteration, value in points
    )
    ends = (Metric(file_name(name), value, now, 0) for name, value in watched.metrics.items())
    metrics = itertools.chain(curves, ends)
    while batch := list(itertools.islice(metrics, MOST_METRICS)):
        client.log_batch(run, metrics=batch)
    settings = iter(watched.settings.items())
    while some := list(itertools.islice(settings, MOST_PARAMETERS)):
        client.log_batch(run, params=[Param(file_name(name), text[:LONGEST]) for name, text in some])
    client.log_text(run, watched.verdict, "verdict.txt")
    client.log_text(run, watched.report.decode(), "report.html")
    client.set_terminated(run)
    return f"mlflow ui --backend-store-uri {place}"
