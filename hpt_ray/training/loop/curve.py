"""What is recorded while a stage trains, and at which of its iterations.

The points of a cosine follow from its budget. Those of a trunk must not, since every budget that shares it has them in
its curve: they become rarer as iterations pass, whichever is the last.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.schedule import trunk_of

#: Rows of a curve; of a trunk, for each doubling of the iterations, and of a cooldown.
POINTS, POINTS_OF_A_DOUBLING, POINTS_OF_A_COOLDOWN = 100, 32, 25


@dataclass
class Curve:
    """What is recorded while training: ``rows``, one per logged iteration, with columns as in ``results.CURVES``.

    Those of the monitor are in some rows only; ``start`` has them as they were before the first iteration. ``seconds``
    is training time over all attempts, the monitor's left out; ``seconds_before`` those of the stages that this one
    continues.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0
    start: dict[str, float] = field(default_factory=dict)
    seconds_before: float = 0.0

    @property
    def table(self) -> list[dict[str, float]]:
        """All rows, iteration 0 first; a column that a row lacks is null."""
        return [{"iteration": 0, **self.start}, *self.rows]

    def shared(self) -> Curve:
        """The part of a trunk's curve that longer ones have, too: without its last row, if that is there as its end."""
        rows = [row for row in self.rows if _on_grid(int(row["iteration"]))]
        return Curve(rows, self.seconds, self.start, seconds_before=self.seconds)


def logged(recipe: Recipe, iterations: int) -> list[int]:
    """The iterations after which a curve has a row, ascending, 0 and the last among them."""
    if recipe.schedule == "cosine":
        return [*range(0, iterations, max(1, iterations // POINTS)), iterations]
    trunk = trunk_of(recipe, iterations)
    falling = range(iterations, trunk, -max(1, (iterations - trunk) // POINTS_OF_A_COOLDOWN))
    return sorted({0, iterations, *filter(_on_grid, range(trunk + 1)), *falling})


def _on_grid(iteration: int) -> bool:
    return iteration % max(1, (1 << iteration.bit_length()) // (2 * POINTS_OF_A_DOUBLING)) == 0
