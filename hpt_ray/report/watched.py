"""What a run hands to a writer, which brings it to what people already watch: TensorBoard, Weights & Biases, MLflow.

``report/writers/NAME.py`` defines ``writer(watched: Watched) -> str``: it writes to where its program looks, and
returns one line that says where that is. A writer without its library raises StudyError when it is imported, which is
before anything is trained.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd

from hpt_ray.analysis.cells import cells
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.report.compared import compared

#: Columns of ``curves`` that are watched.
MEASURES = ("loss", "lr", "feature_std", "knn", "effective_rank", "images_per_second")


@dataclass(frozen=True)
class WatchedCurve:
    """The training of one stage: its name, such as "aerial/HPT/crop_only/seed 0", and each measure by iteration."""

    name: str
    measures: dict[str, tuple[tuple[int, float], ...]]


@dataclass(frozen=True)
class Watched:
    """A run for others to show.

    Attributes:
        name: of the run, unique in its store. study: its study's name.
        settings: what it compared, in words. curves: of every stage that was trained.
        metrics: the test metric of each cell's arm and levels, a mean over seeds, as a share.
        verdict: all sentences. report: the page, HTML.
    """

    name: str
    study: str
    settings: dict[str, str]
    curves: tuple[WatchedCurve, ...]
    metrics: dict[str, float]
    verdict: str
    report: bytes


#: The type of ``writer``.
Writer: TypeAlias = Callable[[Watched], str]


def watched(name: str, run: Run, verdicts: Sequence[Verdict], report: bytes) -> Watched:
    """A run for a writer.

    Args:
        name: of the run's folder. report: the page that is in it.
    """
    about = compared(run)
    settings = {arm.label: arm.words for arm in about.arms} | dict(about.facts) | {"command": run.manifest.command}
    return Watched(
        name=name,
        study=run.study.name,
        settings=settings,
        curves=_curves(run),
        metrics=_metrics(run),
        verdict="\n".join(f"{verdict.headline}.\n{verdict.sentence}" for verdict in verdicts),
        report=report,
    )


def file_name(name: str) -> str:
    """A name with nothing but letters, digits, ``_-. /``, which every program and file system takes."""
    return re.sub(r"[^\w\-. /]", "_", name)


def _curves(run: Run) -> tuple[WatchedCurve, ...]:
    """The curves of every stage once, under the first of the arms that it is a phase of."""
    factors = [factor.name for factor in run.study.factors]
    curves = []
    for _, rows in run.curves.groupby("stage", sort=False):
        first = rows.iloc[0]
        points = rows.drop_duplicates("iteration").sort_values("iteration")
        alone = first["phase"] == first["arm"].rpartition(">")[2]
        levels = [first[name] for name in factors if alone and pd.notna(first[name])]
        seed = [] if pd.isna(first["seed"]) else [f"seed {int(first['seed'])}"]
        parts = [first["target"], run.arms.get(first["arm"], first["arm"]), *levels, *seed]
        measures = {
            measure: tuple(zip(known["iteration"].tolist(), known[measure].astype(float).tolist(), strict=True))
            for measure in MEASURES
            if measure in points and len(known := points.dropna(subset=[measure]))
        }
        curves.append(WatchedCurve("/".join([*parts, *([] if alone else [first["phase"]])]), measures))
    return tuple(curves)


def _metrics(run: Run) -> dict[str, float]:
    table, metrics = cells(run), {}
    for _, rows in table.groupby(["target", "arm", "levels"], sort=False):
        first = rows.iloc[0]
        place = "/".join([first["target"], run.arms[first["arm"]], *filter(None, first["levels"])])
        for evaluation in run.study.evaluations:
            if pd.notna(mean := rows[evaluation.name].astype(float).mean()):
                metrics[f"{place}/{evaluation.name} {run.metric.label}"] = float(mean)
    return metrics
