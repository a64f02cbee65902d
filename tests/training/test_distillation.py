"""Features kept near the base's: gradients and losses against the formula, for every method."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hpt_ray.core.errors import StageError, StudyError
from hpt_ray.core.registry import names
from hpt_ray.spec.study import Pretraining
from hpt_ray.training.distillation import check, distances
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import find
from hpt_ray.training.workers import Workers
from tests.support import small, tiny

#: How many views of an image the student of each method sees.
VIEWS = {"moco_v2": 1, "simclr": 2, "byol": 2, "lejepa": 2, "supervised": 1, "vicreg": 2, "dino": 2}
WEIGHT = 0.7


def stage(method: str, tune: Any, **changes: Any) -> Pretrainer:
    """A stage that goes on from a network whose running statistics are no longer those of a new one."""
    backbone = tiny.backbone(1)
    for name, statistic in backbone.named_buffers():
        if statistic.is_floating_point():
            statistic.fill_(1.5 if "var" in name else 0.2)
    recipe = tiny.recipe(method=method, keep=WEIGHT, **changes)
    return Pretrainer(recipe, backbone, tiny.dataset(), iterations=6, image_size=tiny.SIZE, seed=0, tune=tune)


def gradients(pretrainer: Pretrainer) -> tuple[dict[str, Tensor], float, list[Tensor]]:
    """Those of the backbone after one step's backward, the loss, and what was given to the backbone."""
    seen: list[Tensor] = []
    pretrainer.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    loss = pretrainer.method.step(pretrainer.batches.batch(0), Workers())
    if pretrainer.distillation:
        loss = loss + pretrainer.distillation.taken()
    found = {
        name: value.grad.clone() for name, value in pretrainer.backbone.named_parameters() if value.grad is not None
    }
    return found, float(loss), seen


@pytest.mark.parametrize("method", VIEWS)
def test_gradient_and_loss_are_those_of_the_formula(method: str) -> None:
    kept, plain = stage(method, "keep"), stage(method, "all")
    network, frozen = copy.deepcopy(plain.backbone), copy.deepcopy(plain.backbone).eval()
    network._forward_pre_hooks.clear()  # batch norm's momentum, which has no part in it
    found, loss, seen = gradients(kept)
    alone, loss_alone, same = gradients(plain)
    assert len(seen) == len(same) and sum(map(len, seen)) == VIEWS[method] * 16
    terms = [1 - (F.normalize(network(x), dim=1) * F.normalize(frozen(x), dim=1)).sum(dim=1) for x in seen]
    term = WEIGHT * torch.cat(terms).sum() / 16
    value = float(term.detach())
    wanted = torch.autograd.grad(term, list(network.parameters()))
    assert loss == pytest.approx(loss_alone + value, rel=1e-5) and value > 0.01
    for (name, _), own in zip(network.named_parameters(), wanted, strict=True):
        torch.testing.assert_close(found[name], alone[name] + own, rtol=1e-3, atol=1e-5)


def test_every_method_whose_loss_is_of_features_is_tried() -> None:
    assert set(VIEWS) == {name for name in names("methods") if find(name).of_features}


def test_the_distance_of_equal_directions_is_zero_and_of_opposite_ones_two() -> None:
    features = torch.randn(5, 7)
    torch.testing.assert_close(distances(features, 3 * features), torch.zeros(5), atol=1e-6, rtol=0)
    torch.testing.assert_close(distances(features, -features), torch.full((5,), 2.0))


def test_features_stay_nearer_to_the_base_and_the_base_stays_as_it_is() -> None:
    images = torch.randn(32, 3, tiny.SIZE, tiny.SIZE)
    moved = {}
    for tune in ("all", "keep"):
        trained = stage("simclr", tune)
        before = copy.deepcopy(trained.backbone).eval()(images)
        trained.run()
        moved[tune] = float(distances(trained.backbone.eval()(images), before).mean().detach())
        if trained.distillation:
            torch.testing.assert_close(trained.distillation.frozen(images), before, rtol=1e-5, atol=1e-6)
    assert moved["keep"] < moved["all"]


def test_a_resumed_stage_ends_bit_identical() -> None:
    whole, first, resumed = (stage("moco_v2", "keep") for _ in range(3))
    whole.run()
    while first.iteration < 3:
        first.step()
    resumed.restore(first.state())
    while resumed.iteration < 6:
        resumed.step()
    assert (
        tiny.largest_difference(dict(whole.backbone.named_parameters()), dict(resumed.backbone.named_parameters())) == 0
    )


def test_the_monitor_adds_nothing() -> None:
    watched, plain = stage("moco_v2", "keep"), stage("moco_v2", "keep")
    watched.monitor.check(watched.backbone)
    assert float(watched.step()) == float(plain.step())


def test_a_method_whose_loss_is_not_of_the_features_is_refused() -> None:
    arms = ("base", "base>target:keep")
    study = small.study(arms=arms, factors=(), backbone="vit_nano", recipes=small_recipes("mae"))
    with pytest.raises(
        StudyError, match="':keep' holds the backbone's features, of which the loss of mae is not"
    ) as caught:
        check(study)
    assert "\n" not in str(caught.value)
    check(small.study(arms=arms, factors=()))
    kept = stage("moco_v2", "keep")  # a user's own method may be such, too
    assert kept.distillation is not None
    kept.backbone(torch.randn(2, 3, tiny.SIZE, tiny.SIZE))
    with pytest.raises(StageError, match="is not of the backbone's features"):
        kept.distillation.taken()


def small_recipes(method: str) -> dict[str, Pretraining]:
    given = {"method": method, "options": {}}
    return {"base": small.recipe(data=small.BASE, **given), "target": small.recipe(**given)}
