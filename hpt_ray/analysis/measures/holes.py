"""The cells of a run that have no result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hpt_ray.analysis.measures.run import Run


class Hole(NamedTuple):
    """Cells without a result: an arm at a level ("" where it has none), and the seeds that are missing."""

    arm: str
    level: str
    seeds: tuple[int, ...]


def lost(run: Run, target: str, arm: str, level: str, evaluation: str | None = None) -> tuple[int, ...]:
    """The seeds of which an arm at a level has no predictions for an evaluation, the first unless given."""
    missing = np.isnan(run.by_seed(target, arm, level, evaluation)).all(axis=1)
    lacking = tuple(seed for seed, lacks in zip(run.study.seeds, missing, strict=True) if lacks)
    if run.manifest.looks is None or not lacking:
        return lacking
    planned = _planned(run, target, arm, level)
    return tuple(seed for seed in lacking if seed in planned)


def _planned(run: Run, target: str, arm: str, level: str) -> set[int]:
    """The seeds of which an arm has a cell at a level: a run that grows leaves out those that no claim needs."""
    rows = run.rows()
    rows = rows[(rows["target"] == target) & (rows["arm"] == arm) & rows["level"].isin(["", level])]
    return set(run.study.seeds) if rows["seed"].isna().any() else set(rows["seed"])


def holes(run: Run, target: str) -> list[Hole]:
    """The cells of a target that have no predictions for the first evaluation."""
    places = [(arm, level) for arm in run.arms for level in run.levels_of(arm)]
    return [Hole(arm, level, seeds) for arm, level in places if (seeds := lost(run, target, arm, level))]
