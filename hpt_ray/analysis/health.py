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
    """A measure where a stage's curve starts and where it ends."""

    start: float
    end: float

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
    for name, runs in _groups(curves).items():
        for column, (what, floor) in MEASURES.items():
            measured = [ends for run in runs if (ends := _ends(run, column))]
            lost = [ends for ends in measured if ends.collapsed(floor)]
            if lost:
                worst = min(lost, key=lambda ends: ends.end)
                found.append(
                    f"{name}: collapse in {len(lost)} of {len(measured)} runs: {what} is down to {worst.end:.2g} "
                    f"(it started at {worst.start:.2g})."
                )
        found += _forgetting(name, runs)
    return found


def _forgetting(name: str, runs: list[pd.DataFrame]) -> list[str]:
    measured = [(ends, float(run["n"].max())) for run in runs if (ends := _ends(run, "knn"))]
    if not measured:
        return []
    fall = float(np.mean([ends.start - ends.end for ends, _ in measured]))
    variances = [(ends.start * (1 - ends.start) + ends.end * (1 - ends.end)) / n for ends, n in measured]
    error = float(np.sqrt(np.sum(variances))) / len(measured)
    if fall <= error:
        return []
    end = float(np.mean([ends.end for ends, _ in measured]))
    return [
        f"{name}: forgetting: the online kNN ended at {percent(end)}, {points(fall, signed=False)} points below where "
        f"it started (standard error {points(error, signed=False)}, runs: {len(measured)})."
    ]


def _ends(run: pd.DataFrame, column: str) -> Ends | None:
    """The first and the last value of a measure; None where there are not two."""
    values = pd.to_numeric(run[column]).dropna() if column in run else pd.Series(dtype=float)
    return Ends(float(values.iloc[0]), float(values.iloc[-1])) if len(values) > 1 else None


def _groups(curves: pd.DataFrame) -> dict[str, list[pd.DataFrame]]:
    """The runs of pretraining, each once however many cells share it, by what they are called; seeds go together."""
    columns = list(curves.columns)
    factors = columns[columns.index("arm") + 1 : columns.index("seed")]
    several = curves["target"].nunique() > 1
    found: dict[str, list[pd.DataFrame]] = {}
    for _, rows in curves.groupby("stage", sort=False):
        links = str(rows["arm"].iloc[0]).split(">")
        chain = ">".join(links[: links.index(str(rows["phase"].iloc[0])) + 1])
        name = "The base" if chain == DIRECT else LABELS.get(chain, chain)
        # What cells of several targets or levels share depends on neither.
        if several and rows["target"].nunique() == 1:
            name += f" on {rows['target'].iloc[0]}"
        levels = [rows[factor].iloc[0] for factor in factors if rows[factor].nunique(dropna=False) == 1]
        if named := [level_name(level) for level in levels if isinstance(level, str)]:
            name += f" ({', '.join(named)})"
        found.setdefault(name, []).append(rows.drop_duplicates("iteration").sort_values("iteration"))
    return found
