"""What looking at growing data will take: studies of one claim, simulated until they are decided or futile."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.bootstrap import LEVEL
from hpt_ray.analysis.stats.outlook import outlook
from hpt_ray.analysis.stats.sequential import LOOKS, Noise, level, planned_looks

#: Levels are interpolated between these ratios of the test sample's variance to a row's.
RATIOS = (0.0, *np.geomspace(1e-3, 1e3, 25))


@dataclass(frozen=True)
class Foreseen:
    """What becomes of simulated studies: shares that claim a difference and equivalence, and rows used [studies]."""

    differs: float
    equivalent: float
    rows: np.ndarray

    def rows_at(self, share: float) -> float:
        """The rows that such a share of studies needs at most."""
        return float(np.quantile(self.rows, share))


def foresee(
    difference: float,
    noise: Noise,
    margin: float,
    most: int = LOOKS[-1],
    *,
    studies: int = 2000,
    seed: int = 0,
    tails: float = math.inf,
) -> Foreseen:
    """Simulate studies whose rows are random about a true difference, and that know only what they have seen.

    Args:
        difference, margin: in one unit; ``noise``: in its square.
        tails: degrees of freedom of Student's distribution, scaled to the row's variance, that rows are drawn from.
    """
    generator, looks = np.random.default_rng(seed), planned_looks(most)
    normal = math.isinf(tails)
    drawn = generator.standard_normal((studies, most)) if normal else generator.standard_t(tails, (studies, most))
    each = drawn * math.sqrt(noise.row * (1 if normal else (tails - 2) / tails))
    values = difference + generator.standard_normal((studies, 1)) * math.sqrt(noise.test) + each
    grid = _grid(looks)
    state, used = np.full(studies, "open", dtype="<U10"), np.full(studies, most)
    for look, rows in enumerate(looks):
        undecided = np.flatnonzero(state == "open")
        seen = values[undecided, :rows]
        mean, row = seen.mean(axis=1), np.maximum(seen.var(axis=1, ddof=1), 1e-9 * noise.row)
        now, last = (np.interp(noise.test / row, RATIOS, grid[:, place]) for place in (look, -1))
        half = _half(now, row, noise.test, rows)
        same, differs = abs(mean) + half < margin, abs(mean) > half
        state[undecided[differs]] = "differs"
        state[undecided[same]] = "equivalent"
        for place in np.flatnonzero(~same & ~differs) if rows < most else ():
            seen_noise, levels = Noise(noise.test, float(row[place])), (float(last[place]),) * 2
            if outlook(float(mean[place]), rows, seen_noise, levels, margin, most).futile:
                state[undecided[place]] = "futile"
        used[undecided[state[undecided] != "open"]] = rows
    return Foreseen(float((state == "differs").mean()), float((state == "equivalent").mean()), used)


def smallest_difference(noise: Noise, power: float = 0.8) -> float:
    """The smallest difference that is shown with a chance of ``power`` however many rows there are."""
    return float(special.ndtri((1 + LEVEL) / 2) + special.ndtri(power)) * math.sqrt(noise.test)


def _half(rate: np.ndarray, row: np.ndarray, test: float, rows: int) -> np.ndarray:
    """Half the width of an interval that errs at a rate: Student's quantile for the rows, the normal's for the rest."""
    half: np.ndarray = np.sqrt(
        special.stdtrit(rows - 1, rate / 2) ** 2 * row / rows + special.ndtri(rate / 2) ** 2 * test
    )
    return half


@functools.cache
def _grid(looks: tuple[int, ...]) -> np.ndarray:
    """The level at each look, [ratios, looks]."""
    noises = [Noise(ratio, 1.0) for ratio in RATIOS]
    return np.array(
        [[level(looks[: look + 1], noise, 1 - LEVEL, looks[-1]) for look in range(len(looks))] for noise in noises]
    )
