"""The learning rate of each schedule is its formula, and what a warm-up may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.parameters import make
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.scales import SCALES
from hpt_ray.spec.schedule import check_warmup, learning_rate, trunk_of
from hpt_ray.spec.study import Pretraining


def rates(iterations: int, **recipe: Any) -> list[float]:
    made = Recipe(lr=0.5, **recipe)
    return [learning_rate(made, iteration, iterations) for iteration in range(iterations)]


def target(**settings: Any) -> Pretraining:
    recipe = make("augment_ablation", settings).recipes["target"]
    assert isinstance(recipe, Pretraining)
    return recipe


def test_wsd_is_a_warm_up_a_trunk_and_one_minus_the_root_of_the_share_that_has_passed() -> None:
    rise, fall = np.arange(4) / 4, 1 - np.sqrt(np.arange(10) / 10)
    assert rates(50, schedule="wsd", warmup=4) == pytest.approx(0.5 * np.concatenate([rise, np.ones(36), fall]))
    assert rates(50, schedule="wsd", cooldown=0.5)[25:] == pytest.approx(0.5 * (1 - np.sqrt(np.arange(25) / 25)))
    assert rates(50, schedule="constant", warmup=4) == pytest.approx(0.5 * np.concatenate([rise, np.ones(46)]))


@pytest.mark.parametrize("budget", [1, 2, 7, 40, 50])
def test_budgets_of_wsd_have_one_rate_up_to_their_cooldowns(budget: int) -> None:
    length = trunk_of(Recipe(schedule="wsd"), budget)
    assert 0 <= length < budget
    of_trunk = {"schedule": "constant", "warmup": min(2, length)}
    assert rates(budget, **of_trunk | {"schedule": "wsd"})[:length] == rates(100, **of_trunk)[:length]


def test_a_warm_up_is_a_share_or_a_number_of_iterations() -> None:
    assert rates(40, warmup=0.25) == rates(40, warmup=10)
    with pytest.raises(ValidationError, match=r"warmup 1\.5 is neither a share of the iterations nor a whole number"):
        Recipe(warmup=1.5)
    with pytest.raises(ValidationError, match="share the warm-up of schedule wsd: give warmup as a number of iter"):
        Recipe(warmup=0.5, schedule="wsd")


def test_a_warm_up_ends_before_the_rate_falls() -> None:
    check_warmup(Recipe(schedule="wsd", warmup=8), 10)
    check_warmup(Recipe(warmup=10), 10)
    with pytest.raises(StudyError, match="the warm-up of 9 iterations is longer than the 8 of 10 before the learning"):
        check_warmup(Recipe(schedule="wsd", warmup=9), 10)
    with pytest.raises(StudyError, match="longer than the 10 of 10"):
        check_warmup(Recipe(warmup=11), 10)


def test_a_share_of_a_wsd_warm_up_is_of_the_scales_iterations_whatever_the_budget() -> None:
    for iterations in ("60", "300"):
        recipe = target(backbone="vit_nano", schedule="wsd", iterations=iterations)
        assert (recipe.schedule, recipe.warmup) == ("wsd", round(0.13 * SCALES["quick"].target.iterations))
    assert target(schedule="wsd").warmup == 0
    assert target(schedule="wsd", warmup="7", cooldown="0.3").cooldown == 0.3
    assert target(backbone="vit_nano").warmup == 0.13


def test_cosine_recipes_are_written_as_they_were() -> None:
    assert not {"schedule", "cooldown", "warmup"} & set(Recipe().model_dump())
    assert not {"schedule", "cooldown"} & set(target(backbone="vit_nano").model_dump())
