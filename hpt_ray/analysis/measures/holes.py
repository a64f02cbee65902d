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
    return tuple(seed for seed, lacking in zip(run.study.seeds, missing, strict=True) if lacking)


def holes(run: Run, target: str) -> list[Hole]:
    """The cells of a target that have no predictions for the first evaluation."""
    places = [(arm, level) for arm in run.arms for level in run.levels_of(arm)]
    return [Hole(arm, level, seeds) for arm, level in places if (seeds := lost(run, target, arm, level))]
