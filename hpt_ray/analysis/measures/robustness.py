"""Robustness to a factor: how far an arm's accuracy moves when the factor leaves its baseline.

Every change is taken against the arm's OWN baseline at the SAME seed (the original code subtracts the maximum over
repeats, which exaggerates every drop). Negative is worse throughout: the worst change is the most negative one.
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpt_ray.analysis.measures.run import Run
from hpt_ray.analysis.stats import exact
from hpt_ray.analysis.stats.bootstrap import Interval, Replicates, replicate

MEASURES = ("worst", "mean", "range", "sd")
#: One example's change is -1, 0 or 1, so two changes of it can be so far apart.
CHANGES_APART = 2.0


@dataclass(frozen=True)
class Robustness:
    """The robustness measures of one arm, or their differences between two arms, as shares (0.01 is a point).

    ``worst``: the change at the level where it is most negative. ``mean``: the mean change over the levels but the
    baseline, the area under the degradation curve. ``range`` and ``sd``: spread of accuracy over all levels.
    """

    worst: Interval
    mean: Interval
    range: Interval
    sd: Interval


@dataclass(frozen=True)
class ArmRobustness(Robustness):
    """Robustness of one arm, with the change at each level that could be compared, and the levels that could not."""

    worst_level: str
    changes: dict[str, Interval]
    missing: tuple[str, ...]


def accuracy(
    run: Run, target: str, arm: str, level: str, *, evaluation: str | None = None, step0: bool = False
) -> Interval | None:
    """Test accuracy of an arm at a level over the seeds that finished, or None where none did."""
    return mean(run.correct(target, arm, level, evaluation, step0=step0), signed=False)


def difference(
    run: Run, target: str, arm: str, other: str, level: str, *, evaluation: str | None = None
) -> Interval | None:
    """Accuracy of ``arm`` minus that of ``other`` at one level, at the same seeds and examples; None without any."""
    return mean(run.correct(target, arm, level, evaluation) - run.correct(target, other, level, evaluation))


def gain(run: Run, target: str, arm: str, level: str, *, evaluation: str | None = None) -> Interval | None:
    """Accuracy at the end of an arm's last phase minus that before it began (step 0); below zero is forgetting."""
    end = run.correct(target, arm, level, evaluation)
    return mean(end - run.correct(target, arm, level, evaluation, step0=True))


def robustness(run: Run, target: str, arm: str, *, evaluation: str | None = None) -> ArmRobustness | None:
    """Robustness of one arm; None where the factor does not touch it, or its baseline or all changes are missing."""
    values = _changes(run, target, arm, evaluation)
    if not values:
        return None
    replicates = replicate(np.stack(list(values.values())))
    names = list(values)
    intervals = measures(replicates)
    # The reflected interval of a small spread reaches below zero, where no spread can be.
    intervals |= {name: _within(intervals[name], math.inf, math.nan) for name in ("range", "sd")}
    return ArmRobustness(
        **intervals,
        worst_level=names[int(replicates.estimate.argmin())],
        changes={
            name: replicates.interval(operator.itemgetter((..., place)), [place]) for place, name in enumerate(names)
        },
        missing=tuple(level for level in run.levels[1:] if level not in values),
    )


def robustness_difference(
    run: Run, target: str, arm: str, other: str, *, evaluation: str | None = None
) -> Robustness | None:
    """Each measure of ``arm`` minus that of ``other``, over the levels that both have; None where they share none.

    A positive ``worst`` or ``mean``, or a negative ``range`` or ``sd``, means that ``arm`` is the more robust one.
    """
    both = _common(run, target, arm, other, evaluation)
    if both is None:
        return None
    first, second = both
    replicates = replicate(np.concatenate(both))
    # Two arms that answer alike differ in no measure and have no variance, however much both change.
    apart = [exact.reach(change - other, most=CHANGES_APART) for change, other in zip(first, second, strict=True)]
    reach = dict.fromkeys(MEASURES, np.max(apart, axis=0))
    reach["worst"] = exact.reach(_worst(first) - _worst(second), most=CHANGES_APART)
    return Robustness(**measures(replicates, arms=2, reach=reach))


def worst_apart(run: Run, target: str, arm: str, other: str) -> np.ndarray | None:
    """The worst change of ``arm`` minus that of ``other`` [seeds, examples]; None where they share no level."""
    both = _common(run, target, arm, other, None)
    return both and _worst(both[0]) - _worst(both[1])


def _common(
    run: Run, target: str, arm: str, other: str, evaluation: str | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Changes [levels, seeds, examples] of two arms at the levels that both have; None where they share none."""
    first, others = _changes(run, target, arm, evaluation), _changes(run, target, other, evaluation)
    common = [level for level in first if level in others]
    if not common:
        return None
    return np.stack([first[level] for level in common]), np.stack([others[level] for level in common])


def _worst(changes: np.ndarray) -> np.ndarray:
    """Of changes [levels, seeds, examples] those of the level at which the mean is lowest."""
    worst: np.ndarray = changes[min(range(len(changes)), key=lambda level: np.nanmean(changes[level]))]
    return worst


def _changes(run: Run, target: str, arm: str, evaluation: str | None) -> dict[str, np.ndarray]:
    """Change of correctness against the arm's own baseline [seeds, examples] at each level with a seed in common."""
    if not run.varies(arm):
        return {}
    baseline = run.correct(target, arm, run.baseline, evaluation)
    changes = {level: run.correct(target, arm, level, evaluation) - baseline for level in run.levels[1:]}
    return {level: values for level, values in changes.items() if _usable(values)}


def measures(
    replicates: Replicates, arms: int = 1, reach: Mapping[str, np.ndarray] | None = None
) -> dict[str, Interval]:
    """The four measures of one arm's changes, or of the first arm's minus those of the second stacked behind it.

    ``reach`` [2] of each measure is as in ``Replicates.interval``.
    """
    # The worst level is taken as given when replicating: the minimum of noisy replicates lies below the noisy minimum,
    # and Student's factor at few seeds would blow that up (see bootstrap.py for what this choice covers).
    parts = np.split(replicates.estimate, arms)
    worst = [int(part.argmin()) for part in parts]
    intervals = {}
    for measure in MEASURES:

        def statistic(means: np.ndarray, measure: str = measure) -> np.ndarray:
            changes = np.split(means, arms, axis=-1)
            values = [_measure(measure, part, place) for part, place in zip(changes, worst, strict=True)]
            return values[0] if arms == 1 else values[0] - values[1]

        used = [number * len(parts[0]) + place for number, place in enumerate(worst)] if measure == "worst" else None
        intervals[measure] = replicates.interval(statistic, used, None if reach is None else reach[measure])
    return intervals


def _measure(measure: str, changes: np.ndarray, worst: int) -> np.ndarray:
    """One measure along the last axis of changes [..., levels]; a spread includes the baseline, whose change is 0."""
    with_baseline = np.concatenate([changes, np.zeros_like(changes[..., :1])], axis=-1)
    measured: dict[str, np.ndarray] = {
        "worst": changes[..., worst],
        "mean": changes.mean(axis=-1),
        "range": np.ptp(with_baseline, axis=-1),
        "sd": with_baseline.std(axis=-1, ddof=1),
    }
    return measured[measure]


def _within(interval: Interval, most: float, p: float) -> Interval:
    """An interval limited to possible values: from zero to ``most``."""
    low, high = (min(max(0.0, end), most) for end in (interval.low, interval.high))
    return dataclasses.replace(interval, low=low, high=high, p=p)


def mean(values: np.ndarray, *, signed: bool = True, most: float = 1.0) -> Interval | None:
    """The mean of values [seeds, examples] with its interval; None without a complete seed.

    ``signed``: differences, of at most ``most`` for one example.
    """
    if not _usable(values):
        return None
    return replicate(values[None], signed=signed, most=most).interval(operator.itemgetter((..., 0)))


def _usable(values: np.ndarray) -> bool:
    return bool(values.shape[1]) and bool((~np.isnan(values).any(axis=1)).any())
