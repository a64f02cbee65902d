"""Robustness to a factor: how much an arm's accuracy depends on its level, and what the wrong level costs.

- Its standard deviation over the levels without noise (``stats.variability``): whether the level matters at all.
- Its loss: what a level taken at random loses to the arm's own best (``stats.best``).
- Its change against its OWN baseline at the SAME seed (the original code subtracts the maximum over repeats, which
  exaggerates every drop), where it is lowest. A change may be a gain: a baseline need not be an arm's best level.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.best import loss
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from hpt_ray.analysis.stats.variability import deviation, deviation_difference, of_levels
from hpt_ray.analysis.stats.worst import worst_difference

#: One example's change is -1, 0 or 1, so two changes of it can be so far apart.
CHANGES_APART = 2.0


@dataclass(frozen=True)
class ArmRobustness:
    """Robustness of one arm, as shares (0.01 is a point).

    Attributes:
        worst: the change at the level where it is most negative, ``worst_level``. changes: that at each level that
            could be compared. missing: the levels that could not.
        deviation: the standard deviation over the levels; loss: the mean loss to the best. None with one seed, of which
            luck cannot be told from the factor.
    """

    worst: Interval
    worst_level: str
    changes: dict[str, Interval]
    missing: tuple[str, ...]
    deviation: Interval | None
    loss: Interval | None


@dataclass(frozen=True)
class RobustnessDifference:
    """How much more robust one arm is than another: each measure is positive where it is the more robust one.

    ``worst``: its worst change minus the other's; ``worst_apart``: the differences of single answers [seeds, examples]
    behind it. ``deviation``: the other's standard deviation over the levels minus its own. ``sides`` are the measures
    of both, over the levels that both have.
    """

    sides: tuple[ArmRobustness, ...]
    worst: Interval
    worst_apart: np.ndarray
    deviation: Interval | None


def mean_score(
    run: Run, target: str, arm: str, level: str, *, evaluation: str | None = None, step0: bool = False
) -> Interval | None:
    """The mean test score of an arm at a level over the seeds that finished, or None where none did."""
    return mean(run.scores(target, arm, level, evaluation, step0=step0), signed=False)


def difference(
    run: Run, target: str, arm: str, other: str, level: str, *, evaluation: str | None = None
) -> Interval | None:
    """The mean score of ``arm`` minus that of ``other`` at a level, at the same seeds and examples; None without."""
    return mean(run.scores(target, arm, level, evaluation) - run.scores(target, other, level, evaluation))


def gain(run: Run, target: str, arm: str, level: str, *, evaluation: str | None = None) -> Interval | None:
    """The mean score after an arm's last phase minus that before it (step 0); below zero is forgetting."""
    end = run.scores(target, arm, level, evaluation)
    return mean(end - run.scores(target, arm, level, evaluation, step0=True))


def robustness(run: Run, target: str, arm: str, *, evaluation: str | None = None) -> ArmRobustness | None:
    """Robustness of one arm; None where the factor does not touch it, or its baseline or all changes are missing."""
    values = _values(run, target, arm, evaluation)
    return over_levels(values, run.levels) if len(values) > 1 else None


def robustness_difference(
    run: Run, target: str, arm: str, other: str, *, evaluation: str | None = None
) -> RobustnessDifference | None:
    """How much more robust ``arm`` is than ``other``, over the levels that both have; None where they share none."""
    return difference_over_levels(_values(run, target, arm, evaluation), _values(run, target, other, evaluation))


def difference_over_levels(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> RobustnessDifference | None:
    """How much more robust the first arm is than the second, from the scores [seeds, examples] of both at each level.

    The first level of each is its baseline. None where they share no other one.
    """
    common = [level for level in first if level in second]
    if len(common) < 2:
        return None
    mine, others = (np.stack([values[level] for level in common]) for values in (first, second))
    changes, other_changes = mine[1:] - mine[0], others[1:] - others[0]
    variation, other_variation = of_levels(mine), of_levels(others)
    deviation_apart = None
    if variation and other_variation:
        # Two arms that answer alike vary alike and have no variance, however much both change.
        reach = _reach(changes - other_changes, CHANGES_APART)
        deviation_apart = deviation_difference(other_variation, variation, reach)
    return RobustnessDifference(
        sides=tuple(
            over_levels({level: values[level] for level in common}, first | second) for values in (first, second)
        ),
        worst=worst_difference(changes, other_changes, most=CHANGES_APART),
        worst_apart=_worst(changes) - _worst(other_changes),
        deviation=deviation_apart,
    )


def over_levels(values: dict[str, np.ndarray], levels: Iterable[str]) -> ArmRobustness:
    """The measures of one arm, from correctness [seeds, examples] at the baseline and at one level or more.

    Args:
        levels: all that there are, those without values too.
    """
    names, stacked = list(values)[1:], np.stack(list(values.values()))
    changes, variation = stacked[1:] - stacked[0], of_levels(stacked)
    replicates = replicate(changes)
    by_level = {
        name: replicates.interval(operator.itemgetter((..., place)), [place]) for place, name in enumerate(names)
    }
    worst_level = min(by_level, key=lambda level: by_level[level].estimate)
    return ArmRobustness(
        worst=by_level[worst_level],
        worst_level=worst_level,
        changes=by_level,
        missing=tuple(level for level in levels if level not in values),
        deviation=deviation(variation, _reach(changes)) if variation else None,
        loss=loss(stacked),
    )


def _reach(changes: np.ndarray, most: float = 1.0) -> float:
    """How far the changes [levels, seeds, examples] may be from what is seen of them, where few answers differ."""
    return float(max(exact.reach(change, most=most).max() for change in changes))


def _worst(changes: np.ndarray) -> np.ndarray:
    """Of changes [levels, seeds, examples] those of the level at which the mean is lowest."""
    worst: np.ndarray = changes[min(range(len(changes)), key=lambda level: np.nanmean(changes[level]))]
    return worst


def _values(run: Run, target: str, arm: str, evaluation: str | None) -> dict[str, np.ndarray]:
    """Correctness [seeds, examples] at the baseline and at each level with a seed in common; empty without either."""
    if not run.varies(arm):
        return {}
    return comparable({level: run.scores(target, arm, level, evaluation) for level in run.levels})


def comparable(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of scores [seeds, examples] by level, the baseline first, those that have a seed in common with the baseline."""
    baseline = next(iter(values.values()))
    return {level: own for level, own in values.items() if _usable(own - baseline)}


def mean(values: np.ndarray, *, signed: bool = True, most: float = 1.0) -> Interval | None:
    """The mean of values [seeds, examples] with its interval; None without a complete seed.

    ``signed``: differences, of at most ``most`` for one example.
    """
    if not _usable(values):
        return None
    return replicate(values[None], signed=signed, most=most).interval(operator.itemgetter((..., 0)))


def _usable(values: np.ndarray) -> bool:
    return bool(values.shape[1]) and bool((~np.isnan(values).any(axis=1)).any())
