"""Looking at growing data until it is decided, without more false claims than one look would make.

Rows are added to a study and its claims are judged at *looks*, after so many rows each. The estimate after n rows has
the variance V + s^2 / n, where V is the test sample's, which rows do not reduce, and s^2 a row's. As there is one test
set, the covariance of two estimates is the variance of the later one, so the statistics of successive looks have the
joint distribution of a group-sequential trial with information I(n) = 1 / (V + s^2 / n): normal, with correlation
sqrt(I(j) / I(k)) (Jennison and Turnbull 1999, chapter 3). The error rate is spent over the looks (Lan and DeMets 1983)
in proportion to the power 1.5 of the rows (Kim and DeMets 1987), and each look's level follows by recursive integration
(Armitage, McPherson and Rowe 1969). An interval at that level is a repeated confidence interval (Jennison and Turnbull
1989): all of a claim's cover together.

A level is for p-values. Those of ``bootstrap.py`` have Student's tails where a variance was estimated, and the joint
distribution of the normal's then holds closely enough: see the measured error rates in ``studies/README.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

#: Rows after which a study is looked at, unless it was looked at elsewhere.
LOOKS = (3, 5, 8, 12, 16, 24)

#: The power of the rows that the error rate is spent by.
POWER = 1.5

#: Nodes of the integrals, and the least standard deviation of a step between looks that they can follow. A smaller step
#: is taken as so large, which makes levels smaller: too careful, never too bold.
NODES, LEAST_STEP = 301, 0.05


@dataclass(frozen=True)
class Noise:
    """What an estimate's variance is made of: ``test``, the test sample's, and ``row``, that of one row."""

    test: float
    row: float

    def information(self, rows: int) -> float:
        """One over the variance of the mean over so many rows."""
        return 1 / (self.test + self.row / rows)


def spent(rows: int, most: int, alpha: float) -> float:
    """The part of the error rate that may be used up after so many rows of ``most``."""
    return float(alpha * min(1.0, rows / most) ** POWER)


def level(looks: Sequence[int], noise: Noise, alpha: float = 0.05, most: int = LOOKS[-1]) -> float:
    """The level at the last of some looks: a difference is claimed where its two-sided p-value is below.

    Args:
        looks: rows at each look so far, increasing, this one included, whether it was planned or not.
        alpha: the chance of a false claim, over all looks up to ``most`` rows.

    Raises:
        ValueError: for looks that do not increase, or variances that are negative or both zero.
    """
    if list(looks) != sorted(set(looks)) or not looks or looks[0] < 1:
        raise ValueError(f"looks are increasing numbers of rows: {list(looks)}")
    if min(noise.test, noise.row) < 0 or noise.test + noise.row <= 0:
        raise ValueError(f"variances are positive: {noise}")
    information = [noise.information(rows) for rows in looks]
    steps = np.diff([0.0, *(spent(rows, most, alpha) for rows in looks)])
    nodes = weights = np.empty(0)
    bound = float(special.ndtri(1 - steps[0] / 2))
    for look in range(1, len(looks)):
        nodes, weights = _continuing(nodes, weights, information[:look], bound)
        bound = _bound(nodes, weights, _kept(information[look - 1], information[look]), steps[look])
    return float(2 * special.ndtr(-bound))


def claimed(p_values: Sequence[float], level_at: Sequence[Callable[[float], float]], alpha: float = 0.05) -> list[int]:
    """Which claims of a family are made at a look, by Holm's steps over claims (Maurer and Bretz 2013, section 3).

    Args:
        p_values: of the claims that are still open, at this look.
        level_at: for each, the level at this look when so much of the error rate is its own.
        alpha: what is left for the family: each open claim has an equal part of it, and leaves it to the others.

    Returns:
        Positions of the claims that are made, in the order in which they are.
    """
    made: list[int] = []
    left = list(range(len(p_values)))
    while left:
        part = alpha / len(left)
        found = next((claim for claim in left if p_values[claim] < level_at[claim](part)), None)
        if found is None:
            break
        made.append(found)
        left.remove(found)
    return made


def _kept(before: float, after: float) -> tuple[float, float]:
    """What a statistic keeps of the one at the look before, and the standard deviation of what is new in it."""
    step = max(LEAST_STEP, float(np.sqrt(max(0.0, 1 - before / after))))
    return float(np.sqrt(1 - step**2)), step


def _continuing(
    nodes: np.ndarray, weights: np.ndarray, information: Sequence[float], bound: float
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes [NODES] within +-bound and probabilities [NODES] of not having stopped, with the statistic there.

    Args:
        nodes, weights: the same at the look before, empty at the first. information: up to this look.
    """
    places, shares = np.polynomial.legendre.leggauss(NODES)
    places, shares = bound * places, bound * shares
    if not len(nodes):
        return places, shares * np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    keep, step = _kept(*information[-2:])
    density = np.exp(-(((places[:, None] - keep * nodes) / step) ** 2) / 2) / (step * np.sqrt(2 * np.pi))
    return places, shares * (density @ weights)


def _bound(nodes: np.ndarray, weights: np.ndarray, kept: tuple[float, float], chance: float) -> float:
    """The bound that a statistic which has not stopped exceeds with this chance, in either direction."""
    keep, step = kept

    def excess(bound: float) -> float:
        outside = special.ndtr((keep * nodes - bound) / step) + special.ndtr((-keep * nodes - bound) / step)
        return float(outside @ weights) - chance

    return float(optimize.brentq(excess, 0.0, 40.0))
