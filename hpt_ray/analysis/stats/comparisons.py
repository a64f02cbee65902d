"""Several comparisons at once: Holm's correction, and what the targets of a study say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING, Interval

#: A difference inside +- one point of accuracy is of no practical weight.
MARGIN = 0.01


@dataclass(frozen=True)
class Across:
    """Per-target differences taken together: positive is a win, and ``wins`` to ``undecided`` are names of targets.

    ``adjusted``: each target's p-value after Holm's correction. ``mean``: the mean difference over targets, whose
    interval is Student's over targets as a random sample of domains (of one target, that target's own); its ``seeds``
    are the fewest of any target. ``ahead`` and ``behind``: how many estimates are above and below zero, whatever their
    intervals, as the paper counts "15 of 16"; ``sign_p`` is the two-sided sign test of that count.
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


def across(differences: Mapping[str, Interval], margin: float) -> Across:
    """Wins, ties and losses over targets from each target's difference, and the mean difference.

    As for one target, a tie comes first: the interval lies within +- ``margin``. Of the others a target is won or lost
    where its p-value after Holm's correction over all targets is below 0.05, and undecided otherwise. Ties are not
    corrected: each is wrong in at most 2.5 % of studies in which the true difference is at the margin.

    Raises:
        ValueError: if there is no target, or a difference has no p-value.
    """
    if not differences:
        raise ValueError("a comparison across targets needs at least one target")
    adjusted = dict(zip(differences, holm([found.p for found in differences.values()]), strict=True))
    kinds: dict[str, list[str]] = {kind: [] for kind in ("win", "tie", "loss", "undecided")}
    for target, found in differences.items():
        if -margin < found.low and found.high < margin:
            kind = "tie"
        elif adjusted[target] < 1 - LEVEL:
            kind = "win" if found.estimate > 0 else "loss"
        else:
            kind = "undecided"
        kinds[kind].append(target)
    ahead = sum(found.estimate > 0 for found in differences.values())
    behind = sum(found.estimate < 0 for found in differences.values())
    return Across(
        wins=tuple(kinds["win"]),
        ties=tuple(kinds["tie"]),
        losses=tuple(kinds["loss"]),
        undecided=tuple(kinds["undecided"]),
        adjusted=adjusted,
        mean=_mean(list(differences.values())),
        ahead=ahead,
        behind=behind,
        sign_p=float(stats.binomtest(ahead, ahead + behind).pvalue) if ahead + behind else 1.0,
    )


def _mean(differences: list[Interval]) -> Interval:
    """The mean of the estimates with Student's interval over them; of one, that one."""
    if len(differences) == 1:
        return differences[0]
    estimates = np.array([found.estimate for found in differences])
    mean, error, degrees = float(estimates.mean()), float(stats.sem(estimates)), len(estimates) - 1
    half = float(stats.t.ppf((1 + LEVEL) / 2, degrees)) * error
    # Estimates that agree by chance do not make the mean more certain than each of them allows.
    least = float(np.sqrt(sum(((found.high - found.low) / 2) ** 2 for found in differences))) / len(differences)
    if half < least:
        half = least
        p = float(2 * stats.norm.sf(abs(mean) / half * stats.norm.ppf((1 + LEVEL) / 2)))
    elif error < NOTHING:
        p = float(abs(mean) < NOTHING)
    else:
        p = float(2 * stats.t.sf(abs(mean) / error, degrees))
    return Interval(mean, mean - half, mean + half, min(found.seeds for found in differences), p)
