"""How the learning rate changes over a stage.

``cosine`` falls over the stage's own budget (Loshchilov and Hutter, SGDR, arXiv 1608.03983, eq. 5). ``wsd`` is warm-up,
stable, decay: constant in a trunk that does not depend on the budget, then a cooldown in its last share, so that all
budgets are cooldowns of one trunk. The cooldown is 1 - sqrt over 20 % of the iterations, as Hägele et al. found it best
(arXiv 2405.18392, sections 3 and 4). ``constant`` is the trunk itself, which has no cooldown.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from hpt_ray.core.errors import StudyError

if TYPE_CHECKING:
    from hpt_ray.spec.recipe import Recipe

Schedule = Literal["cosine", "wsd", "constant"]
#: The share of the iterations in which the learning rate of ``wsd`` falls.
COOLDOWN = 0.2


def rising(warmup: float, iterations: int) -> float:
    """In how many iterations the learning rate rises from 0: ``warmup`` is their number, or below 1 a share of all."""
    return warmup * iterations if warmup < 1 else warmup


def trunk_of(recipe: Recipe, iterations: int) -> int:
    """How many iterations come before the learning rate, and what else a method lets fall with it, begins to fall.

    They are 0 of ``cosine``, all of ``constant``, and of ``wsd`` all but the cooldown, which has one at least.
    """
    if recipe.schedule == "cosine":
        return 0
    return iterations - max(1, round(recipe.cooldown * iterations)) if recipe.schedule == "wsd" else iterations


def check_warmup(recipe: Recipe, iterations: int) -> None:
    """Refuse a warm-up that is not over when the learning rate begins to fall. Raises StudyError."""
    risen, end = rising(recipe.warmup, iterations), trunk_of(recipe, iterations) or iterations
    if risen > end:
        raise StudyError(
            f"the warm-up of {risen:g} iterations is longer than the {end} of {iterations} before the learning rate "
            "falls: set a smaller warmup."
        )


def learning_rate(recipe: Recipe, iteration: int, iterations: int) -> float:
    """The learning rate of an iteration, counted from 0.

    In the warm-up it rises from 0 in a straight line, as in MoCo v3.
    """
    risen = rising(recipe.warmup, iterations)
    if iteration < risen:
        return recipe.lr * iteration / risen
    if recipe.schedule == "cosine":
        return recipe.lr * 0.5 * (1 + math.cos(math.pi * (iteration - risen) / (iterations - risen)))
    trunk = trunk_of(recipe, iterations)
    return recipe.lr if iteration < trunk else recipe.lr * (1 - math.sqrt((iteration - trunk) / (iterations - trunk)))
