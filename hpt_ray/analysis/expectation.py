"""What a study that grows until it is decided will take, before it runs: of one claim, at a few true differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from hpt_ray.analysis.claim import Claim
from hpt_ray.analysis.stats.foresight import Foreseen, foresee, smallest_difference
from hpt_ray.analysis.stats.power import POWER, chance
from hpt_ray.analysis.stats.repeated import noise_of
from hpt_ray.analysis.stats.sequential import Noise, planned_looks

#: True differences to foresee, as shares.
DIFFERENCES = (0.0, 0.03, 0.05)

#: Standard deviations measured at the quick scale, as shares: of a seed's difference over bases of their own, and on
#: one base, and of the test sample of so many images.
OWN_BASE, ONE_BASE, TEST, IMAGES = 0.0282, 0.0061, 0.011, 800

#: A difference that a study should be able to show, a share; seeds that are counted up to; and a difference that every
#: study shows, so that what it can show lies below.
LARGE, MOST, CERTAIN = 0.03, 200, 10.0

#: The normal's quantile that a smallest margin has of its standard error.
NORMAL = 1.96


@dataclass(frozen=True)
class Expectation:
    """What a study will take.

    Attributes:
        looks: rows at each. noise: what the variance of a difference is made of; ``measured``: whether in earlier runs.
        foreseen: by true difference. smallest: the smallest difference that the test images can show, with any number
            of rows, at 80 % power.
    """

    looks: tuple[int, ...]
    noise: Noise
    measured: bool
    foreseen: dict[float, Foreseen]
    smallest: float

    @property
    def parts(self) -> dict[str, float]:
        """The variances in words."""
        return {"a seed's": self.noise.row, "the test sample's": self.noise.test}


def expectation(comparisons: Sequence[Claim], images: int, margin: float, most: int, *, own_bases: bool) -> Expectation:
    """What a study will take, with the noise of comparisons in an earlier run of it or, without any, a default one.

    Args:
        images: number of test images. margin: what a difference is equivalent within, a share. most: rows at the last
            look that there may be. own_bases: whether every seed has a base of its own.
    """
    noise, measured = _noise(comparisons, images, own_bases)
    return Expectation(
        looks=planned_looks(most),
        noise=noise,
        measured=measured,
        foreseen={difference: foresee(difference, noise, margin, most) for difference in DIFFERENCES},
        smallest=smallest_difference(noise),
    )


@dataclass(frozen=True)
class Shown:
    """What a study of a fixed number of seeds can show, of one claim and at 80 % power.

    Attributes:
        smallest: the smallest difference, a share; None of one row, which does not show how much rows differ.
        needed: how many rows show a difference of ``LARGE``; None: no number does, the test images being too few.
        measured: whether the noise was measured in earlier runs.
    """

    smallest: float | None
    needed: int | None
    measured: bool


def can_show(comparisons: Sequence[Claim], images: int, rows: int, *, own_bases: bool) -> Shown:
    """What so many rows, seeds or bases of their own, and test images can show; see ``power.chance``.

    Args: as of ``expectation``.
    """
    noise, measured = _noise(comparisons, images, own_bases)

    def short_of(difference: float, rows: int) -> float:
        return POWER - chance(rows, difference, noise.row, math.sqrt(noise.test))

    smallest = None if rows < 2 else float(optimize.brentq(short_of, 0.0, CERTAIN, (rows,), xtol=1e-4))
    reach = smallest_difference(noise) < LARGE
    needed = next((number for number in range(2, MOST) if short_of(LARGE, number) <= 0), None) if reach else None
    return Shown(smallest, needed, measured)


def _noise(comparisons: Sequence[Claim], images: int, own_bases: bool) -> tuple[Noise, bool]:
    """The noise of a difference, and whether it was measured in an earlier run of the study."""
    known = [claim for claim in comparisons if claim.difference is not None and claim.difference.seeds > 1]
    noise = Noise(TEST**2 * IMAGES / max(1, images), (OWN_BASE if own_bases else ONE_BASE) ** 2)
    if not known:
        return noise, False
    rows = [noise_of(claim.difference).row for claim in known if claim.difference is not None]
    # The smallest margin is of the test images alone. Of a few of them nothing may be seen of their luck.
    errors = [(claim.floor or 0.0) / NORMAL for claim in known]
    return Noise(float(np.median(np.square(errors))) or noise.test, float(np.median(rows))), True
