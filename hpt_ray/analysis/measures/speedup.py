"""Speed-up: what pretraining from scratch needs to reach an accuracy of HPT, over what HPT needs.

An arm's accuracy is taken to rise with what is spent on it (iterations, images or seconds, as log cost): the isotonic
regression of its budgets' accuracies, weighted equally (Barlow et al. 1972), linear in log cost between budgets. HPT
needs its first budget at which that curve has the accuracy. Outside the tested budgets nothing is extrapolated: where
from scratch has the accuracy at no budget the ratio is "at least" that of its largest, and so on (``Bound``).

The interval is a percentile interval of the ratio over joint replicates of all budgets' means (bootstrap.py), each
replicate with its own curves and bounds: at most 2.5 % of replicates lie, with certainty, beyond either end, and an end
is open (0, inf) where more than that say nothing about it. Percentiles suit a point where a curve crosses a level: the
ratio exceeds x in the replicates in which from scratch is below HPT at cost x, so that the interval holds the x at
which that difference, a linear statistic, has zero in its interval (the idea of Fieller 1954).

Measured on power laws with HPT ahead by a known factor (by its tests; factors 0.5 to 10, half-decade budgets, 300
and 1000 examples, 3, 5 and 10 seeds; 1000 studies each): the median ratio is that factor where it falls on a budget of
from scratch, and up to 6 % above it between two, as the chord of a concave curve lies below it. Intervals cover the
factor in 94 to 99 %; near from-scratch's largest budget most of those of 3 seeds have no upper end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from hpt_ray.analysis.stats.bootstrap import LEVEL, NOTHING, replicate

#: Cost of each budget to the correctness [seeds, examples] of its run, seeds and examples alike in all of them.
Curve = Mapping[float, np.ndarray]


class Bound(StrEnum):
    """What the tested budgets show about the ratio."""

    EXACT = "="
    AT_LEAST = "≥"  # from scratch never has the accuracy, or HPT has it at its smallest budget already
    AT_MOST = "≤"  # from scratch has it at its smallest budget already
    UNKNOWN = "?"  # both arms have it at their smallest budgets already


@dataclass(frozen=True)
class SpeedUp:
    """Cost from scratch over HPT's cost for the accuracy ``level``, a share that HPT reaches; above 1 HPT is faster.

    ``ratio`` with its 95 % interval, of which an open end is 0 or inf. Where it is censored ``ratio`` is the bound
    that is known, NaN where none is. ``seeds`` is how many it rests on.
    """

    ratio: float
    low: float
    high: float
    bound: Bound
    level: float
    seeds: int

    @property
    def censored(self) -> bool:
        """Whether ``ratio`` is a bound only."""
        return self.bound is not Bound.EXACT


def speed_up(hpt: Curve, scratch: Curve, *, offset: float = 0.0) -> SpeedUp:
    """The speed-up at the accuracy that HPT has at its largest budget; see ``speed_ups``."""
    return speed_ups(hpt, scratch, offset=offset)[max(hpt)]


def speed_ups(hpt: Curve, scratch: Curve, *, offset: float = 0.0) -> dict[float, SpeedUp]:
    """The speed-up at the accuracy that HPT has at each of its budgets, by the budget's cost.

    ``offset`` is the base's own cost, added to HPT's, in the unit of the costs.

    Raises:
        ValueError: if an arm has no budget, a cost is not above zero, or the replicates' arrays do not fit.
    """
    if not hpt or not scratch or min(*hpt, *scratch) <= 0:
        raise ValueError("speed-up needs a budget of each arm, with a cost above zero")
    budgets, others = sorted(hpt), sorted(scratch)
    means = replicate(np.stack([*(hpt[cost] for cost in budgets), *(scratch[cost] for cost in others)]))
    drawn = means.seeds[means.seeds > 1]  # a budget at which all seeds agree is no less certain for it
    seeds = int(drawn.min()) if len(drawn) else 1
    costs, other_costs = np.log(np.add(budgets, offset)), np.log(others)
    everything = np.vstack([means.estimate, means.draws])  # row 0 is the estimate itself
    curve, other = monotone(everything[:, : len(budgets)]), monotone(everything[:, len(budgets) :])
    by_budget = {}
    for position, budget in enumerate(budgets):
        level = curve[:, position]
        slow, slowest = _reached(other, other_costs, level)
        first = (curve > level[:, None] - NOTHING).argmax(axis=1)
        late = costs[first]
        # Of a larger budget's accuracy that the smallest has, only the base's cost is certain to have been needed.
        early = np.where((first == 0) & (position > 0), np.log(offset) if offset else -np.inf, late)
        by_budget[budget] = _summary(slow - late, slowest - early, float(level[0]), seeds)
    return by_budget


def _reached(curve: np.ndarray, costs: np.ndarray, level: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest log cost at which each of ``curve`` [n, budgets] may first reach its ``level`` [n]."""
    above = curve > level[:, None] - NOTHING
    never = ~above.any(axis=1)
    position = np.where(never, len(costs) - 1, above.argmax(axis=1))
    rows, before = np.arange(len(curve)), np.maximum(position - 1, 0)
    rise = curve[rows, position] - curve[rows, before]
    excess = np.where(never, 0.0, curve[rows, position] - level)
    back = np.divide(excess, rise, out=np.zeros_like(rise), where=rise > 0)
    cost = costs[position] - back * (costs[position] - costs[before])
    return np.where((position == 0) & (excess > NOTHING), -np.inf, cost), np.where(never, np.inf, cost)


def _summary(low: np.ndarray, high: np.ndarray, level: float, seeds: int) -> SpeedUp:
    """The first of log ratios between ``low`` and ``high`` [1 + replicates], with the percentiles of the others."""
    least, most = float(np.exp(low[0])), float(np.exp(high[0]))
    if least == most:
        bound, ratio = Bound.EXACT, least
    elif least > 0:
        bound, ratio = Bound.AT_LEAST, least
    elif most < np.inf:
        bound, ratio = Bound.AT_MOST, most
    else:
        bound, ratio = Bound.UNKNOWN, float("nan")
    # Without interpolation, as half of infinity is none; an end keeps at most this share of replicates beyond it.
    bottom = np.quantile(low[1:], (1 - LEVEL) / 2, method="inverted_cdf")
    top = np.quantile(high[1:], (1 + LEVEL) / 2, method="inverted_cdf")
    return SpeedUp(ratio, float(np.exp(bottom)), float(np.exp(top)), bound, level, seeds)


def monotone(values: np.ndarray) -> np.ndarray:
    """Isotonic regression along the last axis, equally weighted: max over i <= j of min over k >= j of mean(i..k).

    The min-max formula (Barlow et al. 1972, eq. 1.9) takes all replicates at once, which a library's loop over them
    does not.
    """
    count = values.shape[-1]
    total = np.concatenate([np.zeros_like(values[..., :1]), values.cumsum(axis=-1)], axis=-1)
    fitted = np.empty_like(values)
    for j in range(count):
        blocks = [
            np.min([(total[..., k + 1] - total[..., i]) / (k + 1 - i) for k in range(j, count)], axis=0)
            for i in range(j + 1)
        ]
        fitted[..., j] = np.max(blocks, axis=0)
    return fitted
