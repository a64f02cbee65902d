"""Several comparisons at once: Holm's correction, and what the targets of a study say together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING, SMALLEST, Interval

#: A difference inside +- one point of accuracy is of no practical weight.
MARGIN = 0.01


@dataclass(frozen=True)
class Across:
    """Per-target differences taken together: positive is a win, and ``wins`` to ``undecided`` are names of targets.

    ``adjusted``: each target's p-value after Holm's correction. ``mean``: the mean difference over targets, whose
    interval takes targets for a random sample of domains, and the seeds with their bases, which all targets share, for
    another (of one target, it is that target's own); its ``seeds`` are the fewest of any target. ``ahead`` and
    ``behind``: how many estimates are above and below zero, whatever their intervals, as the paper counts "15 of 16";
    ``sign_p`` is the two-sided sign test of that count.
    """

    wins: tuple[str, ...]
    ties: tuple[str, ...]
    losses: tuple[str, ...]
    undecided: tuple[str, ...]
    adjusted: dict[str, float]
    mean: Interval
    ahead: int
    behind: int
    sign_p: float


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of claims by the step-down method of Holm (1979), in the order given.

    Those below a rate alpha are the claims to make: the chance of one or more false ones is then at most alpha,
    however the claims depend on each other.

    Raises:
        ValueError: if a value is not between 0 and 1.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if not ((given >= 0) & (given <= 1)).all():
        raise ValueError(f"p-values lie between 0 and 1: {list(p_values)}")
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(value) for value in adjusted]


def across(
    differences: Mapping[str, Interval],
    margin: float,
    rows: Mapping[str, np.ndarray] | None = None,
    most: float = 1.0,
) -> Across:
    """Wins, ties and losses over targets from each target's difference, and the mean difference.

    As for one target, a tie comes first: the interval lies within +- ``margin``. Of the others a target is won or lost
    where its p-value after Holm's correction over all targets is below 0.05, and undecided otherwise. Ties are not
    corrected: each is wrong in at most 2.5 % of studies in which the true difference is at the margin.

    Args:
        rows: of each target the mean difference in every row (a seed, or a base that seeds share; NaN where it failed),
            the same rows for all targets: where targets share a base, they share its luck.
        most: the largest difference that there is.

    Raises:
        ValueError: if there is no target, or a difference has no p-value.
    """
    if not differences:
        raise ValueError("a comparison across targets needs at least one target")
    adjusted = dict(zip(differences, holm([difference.p for difference in differences.values()]), strict=True))
    kinds: dict[str, list[str]] = {kind: [] for kind in ("win", "tie", "loss", "undecided")}
    for target, difference in differences.items():
        if -margin < difference.low and difference.high < margin:
            kind = "tie"
        elif adjusted[target] < 1 - LEVEL:
            kind = "win" if difference.estimate > 0 else "loss"
        else:
            kind = "undecided"
        kinds[kind].append(target)
    ahead = sum(difference.estimate > 0 for difference in differences.values())
    behind = sum(difference.estimate < 0 for difference in differences.values())
    return Across(
        wins=tuple(kinds["win"]),
        ties=tuple(kinds["tie"]),
        losses=tuple(kinds["loss"]),
        undecided=tuple(kinds["undecided"]),
        adjusted=adjusted,
        mean=_mean(
            list(differences.values()),
            None if rows is None else np.stack([rows[target] for target in differences]),
            most,
        ),
        ahead=ahead,
        behind=behind,
        sign_p=float(stats.binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0,
    )


def _mean(differences: list[Interval], rows: np.ndarray | None, most: float) -> Interval:
    """The mean of the estimates, with an interval over targets and over the ``rows`` [targets, rows] that they share.

    Targets and rows are crossed random samples: the variance of the mean is that between targets over their number, and
    that of the rows over theirs, less what the rows of each target differ by on their own, which is in the first
    already. Each part counts with Student's quantile of its own degrees of freedom, after Cochran (1964).
    """
    if len(differences) == 1:
        return differences[0]
    estimates = np.array([difference.estimate for difference in differences])
    mean, targets = float(estimates.mean()), len(estimates)
    # Estimates that agree by chance do not make the mean more certain than each of them allows.
    least = float(np.sqrt(sum(((difference.high - difference.low) / 2) ** 2 for difference in differences))) / targets
    between, degrees = float(estimates.var(ddof=1)) / targets, float(targets - 1)
    if np.sqrt(between) * stats.t.ppf((1 + LEVEL) / 2, degrees) < least:
        between, degrees = float(least / stats.norm.ppf((1 + LEVEL) / 2)) ** 2, np.inf
    parts = [(between, degrees), *([] if rows is None else [_shared(rows)])]
    half = _half(parts, 1 - LEVEL)
    low, high = max(-most, mean - half), min(most, mean + half)  # two targets may leave more open than there is
    return Interval(mean, low, high, min(difference.seeds for difference in differences), _p_value(mean, parts))


def _shared(rows: np.ndarray) -> tuple[float, float]:
    """The variance that the luck of rows [targets, rows] which all targets share gives the mean, and its degrees."""
    complete = rows[:, ~np.isnan(rows).any(axis=0)]
    targets, number = complete.shape
    if number < 2:
        return 0.0, np.inf
    by_row = complete.mean(axis=0)
    own = complete - complete.mean(axis=1, keepdims=True) - by_row + complete.mean()
    apart = float(np.square(own).sum()) / ((targets - 1) * (number - 1)) / (targets * number)
    return max(0.0, float(by_row.var(ddof=1)) / number - apart), float(number - 1)


def _half(parts: Sequence[tuple[float, float]], rate: float) -> float:
    """Half the width of an interval that errs at a rate, of parts of the variance with their degrees of freedom."""
    return math.sqrt(sum(variance * float(stats.t.isf(rate / 2, degrees)) ** 2 for variance, degrees in parts))


def _p_value(mean: float, parts: Sequence[tuple[float, float]]) -> float:
    """The rate at which the interval around a mean ends at zero."""
    if sum(variance for variance, _ in parts) < NOTHING**2:
        return float(abs(mean) < NOTHING)
    least = math.log(SMALLEST)

    def excess(logarithm: float) -> float:
        return _half(parts, math.exp(logarithm)) - abs(mean)

    return SMALLEST if excess(least) <= 0 else math.exp(float(optimize.brentq(excess, least, 0.0)))
