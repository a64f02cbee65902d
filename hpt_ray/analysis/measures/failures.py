"""What failed pretrainings may hide: how many seeds a comparison lacks, and the difference if they were at chance.

Leaving them out takes failures for missing at random. An arm that collapses is at chance level, so the difference with
each failed pretraining at chance says how far failures could carry it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.measures.holes import lost
from hpt_ray.analysis.measures.robustness import mean
from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats.bootstrap import Interval

#: An arm at a level.
Side = tuple[str, str]


@dataclass(frozen=True)
class Failed:
    """The seeds without a result that a comparison leaves out, ``number`` of ``total``.

    ``at_chance``: the difference with each failed pretraining at the chance level; None where that says nothing, as of
    a difference between differences, or while pretrainings are left to run. ``rows``: which of the run's seeds they
    are, counted from 0. ``lost``: of a run that grows, whether each of them had failed at an earlier look, too, so that
    nothing waits for it any more.
    """

    number: int
    total: int
    at_chance: Interval | None = None
    rows: tuple[int, ...] = ()
    lost: bool = False


def failed(run: Run, target: str, sides: tuple[Side, Side], evaluation: str | None = None) -> Failed | None:
    """The failures in the comparison of two arms, each at a level; None without any."""
    missing = {seed for arm, level in sides for seed in lost(run, target, arm, level, evaluation)}
    if not missing:
        return None
    chance = chance_level(run, target, evaluation)
    mine, others = (run.scores(target, arm, level, evaluation, failed=chance) for arm, level in sides)
    rows = tuple(row for row, seed in enumerate(run.study.seeds) if seed in missing)
    # What has not run may still come out well: only of a run that has ended is everything that lacks a failure.
    at_chance = None if run.manifest.unfinished else mean(mine - others)
    return Failed(len(missing), len(run.study.seeds), at_chance, rows)


def chance_level(run: Run, target: str, evaluation: str | None = None) -> float:
    """The metric of answers that do not depend on the image, on the target's test examples; NaN without any."""
    table = run.predictions
    table = table[(table["target"] == target) & (table["evaluation"] == (evaluation or run.evaluation))]
    truth = table.drop_duplicates("example")["labels" if run.metric.multilabel else "label"]
    return run.metric.chance(np.stack(list(truth))) if len(truth) else float("nan")
