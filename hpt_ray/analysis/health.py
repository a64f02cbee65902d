"""Whether pretraining went wrong: notes on collapse and on forgetting, from the curves that a run recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from hpt_ray.analysis.run import DIRECT
from hpt_ray.analysis.wording import level_name, percent, points
from hpt_ray.study import LABELS

#: Collapse is an end below a tenth of the start. A healthy run keeps the order of magnitude it starts with or gains: at
#: the quick scale the projections' standard deviation goes from 0.05 to 0.05-0.06 and the effective rank from 53 to 69,
#: while a loss without stop-gradient or negatives takes the former to 0.005, and MoCo at ten times its rate to 0.002.
FALL = 0.1
#: Or below what is next to nothing wherever it started: 1 / sqrt(d) is the most that d dimensions allow, 0.022 for the
#: widest projections in use (2,048; Chen and He, arXiv 2011.10566); and an effective rank is 1 on a line.
STD_FLOOR, RANK_FLOOR = 0.005, 2.0

MEASURES = {
    "feature_std": ("the projections' standard deviation", STD_FLOOR),
    "effective_rank": ("the features' effective rank", RANK_FLOOR),
}


@dataclass(frozen=True)
class Ends:
    """A measure where a stage's curve starts and where it ends, and the images behind it where they were counted."""

    start: float
    end: float
    n: float

    def collapsed(self, floor: float) -> bool:
        return self.end < max(floor, FALL * self.start)


def notes(curves: pd.DataFrame) -> list[str]:
    """A line for each arm and level whose pretraining collapsed or forgot; none where all is well or nothing recorded.

    Collapse is told by run: ``FALL`` and the floors say when. Forgetting is told over the runs of all seeds: the online
    kNN accuracy ended below where it started by more than the standard error of the mean difference, taken as if the
    val images of start and end were independent; they are the same ones, so chance alone does it in less than a sixth.

    Args:
        curves: the run's table, with columns as in ``results.run_schema``; those of the monitor may lack or be empty.
    """
    found = []
    once = curves.drop_duplicates(["stage", "iteration"]).sort_values("iteration")
    ends = {column: _ends(once, column) for column in (*MEASURES, "knn")}
    for name, stages in _groups(curves).items():
        for column, (what, floor) in MEASURES.items():
            measured = [ends[column][stage] for stage in stages if stage in ends[column]]
            lost = [each for each in measured if each.collapsed(floor)]
            if lost:
                worst = min(lost, key=lambda each: each.end)
                found.append(
                    f"{name}: collapse in {len(lost)} of {len(measured)} runs: {what} is down to {worst.end:.2g} "
                    f"(it started at {worst.start:.2g})."
                )
        found += _forgetting(name, [ends["knn"][stage] for stage in stages if stage in ends["knn"]])
    return found


def _forgetting(name: str, measured: list[Ends]) -> list[str]:
    if not measured:
        return []
    fall = float(np.mean([ends.start - ends.end for ends in measured]))
    variances = [(ends.start * (1 - ends.start) + ends.end * (1 - ends.end)) / ends.n for ends in measured]
    error = float(np.sqrt(np.sum(variances))) / len(measured)
    if fall <= error:
        return []
    end = float(np.mean([ends.end for ends in measured]))
    return [
        f"{name}: forgetting: the online kNN ended at {percent(end)}, {points(fall, signed=False)} points below where "
        f"it started (standard error {points(error, signed=False)}, runs: {len(measured)})."
    ]


def _ends(once: pd.DataFrame, column: str) -> dict[str, Ends]:
    """By stage the first and the last value of a measure; those that have not two are left out."""
    if column not in once:
        return {}
    counted = once.groupby("stage")["n"].max() if "n" in once else pd.Series(dtype=float)
    values = once[["stage"]].assign(value=pd.to_numeric(once[column])).dropna()
    found = values.groupby("stage")["value"].agg(["first", "last", "size"])
    found = found[found["size"] > 1]
    return {
        stage: Ends(float(start), float(end), float(counted.get(stage, np.nan)))
        for stage, start, end in zip(found.index, found["first"], found["last"], strict=True)
    }


def _groups(curves: pd.DataFrame) -> dict[str, list[str]]:
    """The stages of pretraining, each once however many cells share it, by what they are called; seeds go together."""
    columns = list(curves.columns)
    factors = columns[columns.index("arm") + 1 : columns.index("seed")]
    several = curves["target"].nunique() > 1
    used = curves[["stage", "target", "arm", "phase", *factors]].drop_duplicates().dropna(subset="stage")
    by_stage = used.groupby("stage", sort=False)
    shared = by_stage[["target", *factors]].nunique(dropna=False) > 1
    found: dict[str, list[str]] = {}
    for (stage, target, arm, phase, *levels), (targets, *varied) in zip(
        used.drop_duplicates("stage").to_numpy(), shared.to_numpy(), strict=True
    ):
        links = arm.split(">")
        chain = ">".join(links[: links.index(phase) + 1])
        name = "The base" if chain == DIRECT else LABELS.get(chain, chain)
        # What cells of several targets or levels share depends on neither.
        if several and not targets:
            name += f" on {target}"
        own = [level for level, varies in zip(levels, varied, strict=True) if isinstance(level, str) and not varies]
        if own:
            name += f" ({', '.join(map(level_name, own))})"
        found.setdefault(name, []).append(stage)
    return found
