"""A stage with an optimizer other than SGD: its schedule, and that it goes on to the bit."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.schedule import learning_rate
from hpt_ray.training.backbone import build
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")

#: Everything at once, so that each must survive a checkpoint.
RECIPES: dict[str, dict[str, Any]] = {
    "adamw": {"lr": 1e-3, "weight_decay": 0.1, "warmup": 0.3, "layer_decay": 0.8, "clip_grad": 1.0},
    "lars": {"lr": 0.3, "weight_decay": 1e-4, "warmup": 0.3, "layer_decay": 0.8, "clip_grad": 1.0},
}


def pretrainer(optimizer: str, **changed: Any) -> Pretrainer:
    recipe = tiny.recipe(optimizer=optimizer, **RECIPES[optimizer] | changed)
    return Pretrainer(recipe, build("vit_nano", 0), tiny.dataset(), iterations=6, image_size=tiny.SIZE, seed=0)


@pytest.mark.parametrize("warmup", [0.0, 0.13, 0.4])
def test_the_rate_is_that_of_moco_v3(warmup: float) -> None:
    """``adjust_learning_rate`` of its main_moco.py, with iterations in place of fractions of epochs."""
    recipe, iterations = Recipe(lr=0.6, warmup=warmup), 50
    for iteration in range(iterations):
        if iteration < warmup * iterations:
            expected = 0.6 * iteration / (warmup * iterations)
        else:
            share = (iteration - warmup * iterations) / (iterations - warmup * iterations)
            expected = 0.6 * 0.5 * (1.0 + math.cos(math.pi * share))
        assert learning_rate(recipe, iteration, iterations) == pytest.approx(expected)


@pytest.mark.parametrize("optimizer", RECIPES)
def test_a_stage_that_was_interrupted_goes_on_to_the_bit(optimizer: str) -> None:
    whole, first, second = (pretrainer(optimizer) for _ in range(3))
    whole.run()
    for _ in range(3):
        first.step()
    second.restore(first.state())
    second.run()
    assert tiny.largest_difference(whole.method.state_dict(), second.method.state_dict()) == 0
    moments = zip(whole.optimiser.state(), second.optimiser.state(), strict=True)
    assert all(torch.equal(one, other) for one, other in moments if one is not None and other is not None)


@pytest.mark.parametrize("name", ["weight_decay", "warmup", "layer_decay", "clip_grad"])
def test_each_setting_reaches_the_numbers(name: str) -> None:
    neutral = {"weight_decay": 0.0, "warmup": 0.0, "layer_decay": 1.0, "clip_grad": None}
    one, other = pretrainer("adamw"), pretrainer("adamw", **{name: neutral[name]})
    for each in (one, other):
        each.step()
        each.step()
    assert tiny.largest_difference(one.backbone.state_dict(), other.backbone.state_dict()) > 0
