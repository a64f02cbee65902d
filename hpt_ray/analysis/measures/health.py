"""Whether pretraining failed: notes on collapse and on forgetting, from the curves that a run recorded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hpt_ray.analysis.measures.run import DIRECT
from hpt_ray.analysis.measures.text_format import level_name, percent, points
from hpt_ray.spec.arm import LABELS, Arm

#: Collapse is an end below a tenth of the start. A healthy run keeps the order of magnitude it starts with or gains: at
#: the quick scale the projections' standard deviation goes from 0.05 to 0.05-0.06 and the effective rank from 53 to 69,
#: while a loss without stop-gradient or negatives takes the former to 0.005, and MoCo at ten times its rate to 0.002.
FALL = 0.1
#: Or an end below this floor, wherever it started: 1 / sqrt(d) is the most that d dimensions allow, 0.022 for the
#: widest projections in use (2,048; Chen and He, arXiv 2011.10566); and an effective rank is 1 on a line.
STD_FLOOR, RANK_FLOOR = 0.005, 2.0
#: What ends above nine tenths of its start has not fallen: features of a line, or of images that are nearly alike, may
#: go from a rank of 2.02 to 1.98.
FALLEN = 0.9
#: The rank of n images' features is below n: with fewer than these it could not fall to a tenth and be above the floor.
LEAST_IMAGES = 20

MEASURES = {
    "feature_std": ("the projections' standard deviation", STD_FLOOR),
    "effective_rank": ("the features' effective rank", RANK_FLOOR),
}


@dataclass(frozen=True)
class Ends:
    """The first and the last value of a measure in a stage's curve, and the number of images behind it (NaN: unknown).

    ``untrained``: whether the first value is from before the first iteration, as the monitor's is. If it is below the
    floor, the images or the initial weights are the reason. The loss and the projections are first logged during
    training; if their first value is below the floor, they may have collapsed before.
    """

    start: float
    end: float
    n: float
    untrained: bool

    @property
    def fell(self) -> bool:
        return self.end < FALLEN * self.start

    def collapsed(self, floor: float) -> bool:
        below = self.end < floor and (not self.untrained or (self.fell and self.start >= floor))
        return below or self.end < FALL * self.start


def notes(curves: pd.DataFrame) -> list[str]:
    """A line for each arm whose pretraining collapsed or forgot, with the levels where it did.

    Collapse is decided for each run, by ``FALL`` and the floors. Forgetting is decided over the runs of all seeds: the
    online kNN accuracy ended below where it started by more than the standard error of the mean difference, taken as if
    the val images of start and end were independent; they are the same ones, so chance alone does it in less than a
    sixth.

    Args:
        curves: the run's table, with columns as in ``store.tables.run_schema``; those of the monitor may be missing or
            empty.
    """
    lines = []
    once = curves.drop_duplicates(["stage", "iteration"]).sort_values("iteration")
    ends = {column: _ends(once, column) for column in (*MEASURES, "knn")}
    ranks = ends["effective_rank"]
    ends["effective_rank"] = {stage: each for stage, each in ranks.items() if not each.n < LEAST_IMAGES}
    for name, levels in _groups(curves).items():
        for column, known in ends.items():
            measured = {level: [known[stage] for stage in stages if stage in known] for level, stages in levels.items()}
            lines += _forgetting(name, measured) if column == "knn" else _collapse(name, measured, *MEASURES[column])
    return lines


def _collapse(name: str, measured: dict[str, list[Ends]], what: str, floor: float) -> list[str]:
    lost = {level: [each for each in runs if each.collapsed(floor)] for level, runs in measured.items()}
    at = [level for level in lost if lost[level]]
    if not at:
        return []
    worst = min((each for level in at for each in lost[level]), key=lambda each: each.end)
    count, of = sum(len(lost[level]) for level in at), sum(len(measured[level]) for level in at)
    if worst.fell:
        since = f"is down to {worst.end:.2g} (it started at {worst.start:.2g})"
    else:
        since = f"is {worst.end:.2g} (it was {worst.start:.2g} when it was first logged)"
    return [f"{name}{_at(at)}: collapse in {count} of {of} runs: {what} {since}."]


def _forgetting(name: str, measured: dict[str, list[Ends]]) -> list[str]:
    falls = {}
    for level, runs in measured.items():
        fall = float(np.mean([ends.start - ends.end for ends in runs])) if runs else 0.0
        variances = [(ends.start * (1 - ends.start) + ends.end * (1 - ends.end)) / ends.n for ends in runs]
        error = float(np.sqrt(np.sum(variances))) / max(len(runs), 1)
        if fall > error:
            falls[level] = fall, error
    if not falls:
        return []
    most = max(falls, key=lambda level: falls[level][0])
    where = f", most at {most}" if len(falls) > 1 else ""
    end, (fall, error) = float(np.mean([ends.end for ends in measured[most]])), falls[most]
    return [
        f"{name}{_at(falls)}: forgetting{where}: the online kNN ended at {percent(end)}, {points(fall, signed=False)} "
        f"points below where it started (standard error {points(error, signed=False)}, runs: {len(measured[most])})."
    ]


def _at(levels: Collection[str]) -> str:
    """Levels in brackets; empty if there are none."""
    return f" ({', '.join(levels)})" if any(levels) else ""


def _ends(once: pd.DataFrame, column: str) -> dict[str, Ends]:
    """The first and the last value of a measure by stage; stages with fewer than two values are left out."""
    if column not in once:
        return {}
    counted = once.groupby("stage")["n"].max() if "n" in once else pd.Series(dtype=float)
    values = once[["stage", "iteration"]].assign(value=pd.to_numeric(once[column])).dropna()
    by_stage = values.groupby("stage")
    ends = by_stage["value"].agg(["first", "last", "size"]).assign(since=by_stage["iteration"].first())
    ends = ends[ends["size"] > 1]
    return {
        stage: Ends(float(start), float(end), float(counted.get(stage, np.nan)), untrained=bool(since == 0))
        for stage, start, end, since in zip(ends.index, ends["first"], ends["last"], ends["since"], strict=True)
    }


def _groups(curves: pd.DataFrame) -> dict[str, dict[str, list[str]]]:
    """The pretraining stages, each once, by name and then by level ("" if they have none), with all seeds together."""
    columns = list(curves.columns)
    factors = columns[columns.index("arm") + 1 : columns.index("seed")]
    several = curves["target"].nunique() > 1
    used = curves[["stage", "target", "arm", "phase", *factors]].drop_duplicates().dropna(subset="stage")
    by_stage = used.groupby("stage", sort=False)
    shared = by_stage[["target", *factors]].nunique(dropna=False) > 1
    groups: dict[str, dict[str, list[str]]] = {}
    for (stage, target, arm, phase, *levels), (targets, *varied) in zip(
        used.drop_duplicates("stage").to_numpy(), shared.to_numpy(), strict=True
    ):
        parsed = Arm.parse(arm)
        chain = parsed.until([each.name for each in parsed.phases].index(phase) + 1).chain
        name = "The base" if chain == DIRECT else LABELS.get(chain, chain)
        # What cells of several targets or levels share depends on neither.
        if several and not targets:
            name += f" on {target}"
        own_levels = [
            level for level, varies in zip(levels, varied, strict=True) if isinstance(level, str) and not varies
        ]
        groups.setdefault(name, {}).setdefault(", ".join(map(level_name, own_levels)), []).append(stage)
    return groups
