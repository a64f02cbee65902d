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

import functools
import math
from collections.abc import Sequence
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

#: Error rates are not told apart below.
SMALLEST = 1e-9


@dataclass(frozen=True)
class Noise:
    """What an estimate's variance is made of: ``test``, the test sample's, and ``row``, that of one row."""

    test: float
    row: float

    def variance(self, rows: int) -> float:
        """That of the mean over so many rows; 0 where neither rows nor test images leave anything open."""
        return self.test + self.row / rows


def planned_looks(most: int) -> tuple[int, ...]:
    """The looks of a study that has so many rows at most."""
    return (*(rows for rows in LOOKS if rows < most), most)


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
    information = [1 / noise.variance(rows) for rows in looks]
    steps = np.diff([0.0, *(spent(rows, most, alpha) for rows in looks)])
    nodes = weights = np.empty(0)
    bound = float(special.ndtri(1 - steps[0] / 2))
    for look in range(1, len(looks)):
        nodes, weights = _continuing(nodes, weights, information[:look], bound)
        bound = _bound(nodes, weights, _kept(information[look - 1], information[look]), steps[look])
    return float(2 * special.ndtr(-bound))


def repeated_p(p: float, looks: Sequence[int], noise: Noise, most: int = LOOKS[-1]) -> float:
    """The error rate at which a difference with this p-value is just claimed at the last of some looks.

    Holm's steps on such p-values, of whatever looks, are those of a family of claims with an equal part of the error
    rate each, which passes to the others once a claim is made (Maurer and Bretz 2013, section 3).
    """
    least, certain = math.log(SMALLEST), math.log(1 - 1e-6)

    def excess(logarithm: float) -> float:
        return math.log(level(looks, noise, math.exp(logarithm), most)) - math.log(max(p, SMALLEST / 2))

    if excess(certain) <= 0:
        return 1.0
    return SMALLEST if excess(least) >= 0 else math.exp(float(optimize.brentq(excess, least, certain, xtol=1e-5)))


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
    places, shares = (bound * each for each in _gauss())
    if not len(nodes):
        return places, shares * np.exp(-(places**2) / 2) / np.sqrt(2 * np.pi)
    keep, step = _kept(*information[-2:])
    density = np.exp(-(((places[:, None] - keep * nodes) / step) ** 2) / 2) / (step * np.sqrt(2 * np.pi))
    return places, shares * (density @ weights)


@functools.cache
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    """Places and weights of Gauss-Legendre quadrature on [-1, 1]."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    return places, weights


def _bound(nodes: np.ndarray, weights: np.ndarray, kept: tuple[float, float], chance: float) -> float:
    """The bound that a statistic which has not stopped exceeds with this chance, in either direction."""
    keep, step = kept

    def excess(bound: float) -> float:
        outside = special.ndtr((keep * nodes - bound) / step) + special.ndtr((-keep * nodes - bound) / step)
        return float(outside @ weights) - chance

    return float(optimize.brentq(excess, 0.0, 40.0))
