"""What more rows could still show: how likely an open claim is decided at the end, if the truth is what was seen.

If the true difference is the one seen, the estimate after all rows is normal about it; of its variance that part is
open which the rows so far do not share (conditional power under the current trend; Lan and Wittes 1988). A claim of
which no outcome is likely is futile. To stop there makes no false claim, so the rule need not be followed (Jennison and
Turnbull 1999, chapter 10).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy import special

from hpt_ray.analysis.stats.sequential import LOOKS, Noise

#: A claim is futile where each outcome is less likely than this.
LIKELY = 0.1


@dataclass(frozen=True)
class Outlook:
    """The chances that after all rows a difference is claimed, and that equivalence is.

    ``with_more_images``: the higher of the two if the test set were so large that it gave no variance.
    """

    differs: float
    equivalent: float
    with_more_images: float

    @property
    def futile(self) -> bool:
        return max(self.differs, self.equivalent) < LIKELY

    @property
    def test_set_too_small(self) -> bool:
        """Whether it is the test set that leaves no outcome likely."""
        return self.futile and self.with_more_images >= LIKELY


def outlook(
    estimate: float,
    rows: int,
    noise: Noise,
    levels: tuple[float, float],
    margin: float,
    most: int = LOOKS[-1],
) -> Outlook:
    """The outlook of a difference after some rows.

    Args:
        estimate: the difference, and ``margin``, what it is equivalent within, in the same unit.
        levels: those at the last look, after ``most`` rows, of claiming a difference, and of the interval.
    """
    chances = _chances(estimate, rows, noise, levels, margin, most)
    without = _chances(estimate, rows, replace(noise, test=0.0), levels, margin, most)
    return Outlook(*chances, with_more_images=max(without))


def _chances(
    estimate: float, rows: int, noise: Noise, levels: tuple[float, float], margin: float, most: int
) -> tuple[float, float]:
    """The chance that a difference is claimed at the last look, and that the last interval lies within the margin."""
    now, last = noise.variance(rows), noise.variance(most)
    beyond, half = (-float(special.ndtri(level / 2)) * math.sqrt(last) for level in levels)
    move = math.sqrt(last * max(0.0, 1 - last / now)) if now > 0 else 0.0
    if move == 0.0:  # nothing is still to come
        return float(abs(estimate) > beyond), float(abs(estimate) + half < margin)
    differs = special.ndtr((estimate - beyond) / move) + special.ndtr((-estimate - beyond) / move)
    room = margin - half
    within = special.ndtr((room - estimate) / move) - special.ndtr((-room - estimate) / move) if room > 0 else 0.0
    return float(differs), float(within)
