"""Groups of parameters are timm's: which are decayed, and by how much each block's learning rate is less."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.recipe import Recipe
from hpt_ray.training.backbone import Backbone, build
from hpt_ray.training.backbones._published import published
from hpt_ray.training.loop.groups import groups, optimiser
from hpt_ray.training.method import Projected

timm = pytest.importorskip("timm")
param_groups_layer_decay = pytest.importorskip("timm.optim").param_groups_layer_decay


def vit(**options: Any) -> nn.Module:
    model: nn.Module = timm.models.vision_transformer.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=32, depth=3, num_heads=2, init_values=1.0, reg_tokens=2, **options
    )
    return model


def convnext(**options: Any) -> nn.Module:
    model: nn.Module = timm.models.convnext.ConvNeXt(dims=(8, 16, 24, 32), depths=(1, 2, 3, 1), **options)
    return model


def student(backbone: Backbone) -> nn.Module:
    return Projected(backbone, nn.Linear(backbone.dim, 5))


@pytest.mark.parametrize("layer_decay", [1.0, 0.7])
@pytest.mark.parametrize("make", [vit, convnext])
def test_decay_and_rates_are_timms(make: Any, layer_decay: float) -> None:
    """timm's classifier stands where our heads do."""
    recipe = Recipe(optimizer="adamw", weight_decay=0.05, layer_decay=layer_decay)
    backbone = published(lambda: make(num_classes=0), "the network", 32)
    network = student(backbone)
    names = {id(value): key for key, value in backbone.state_dict(keep_vars=True).items()}
    ours = {
        names.get(id(parameter), "head"): (group.decay, pytest.approx(group.rate))
        for group in groups(recipe, network, backbone)
        for parameter in group.parameters
        if parameter is not network.head.bias  # type: ignore[union-attr]
    }
    reference = make(num_classes=5)
    exempt = reference.no_weight_decay() if hasattr(reference, "no_weight_decay") else ()
    theirs_names = {id(value): key for key, value in reference.named_parameters()}
    theirs = {
        theirs_names[id(parameter)]: (group["weight_decay"], group["lr_scale"])
        for group in param_groups_layer_decay(
            reference, weight_decay=0.05, no_weight_decay_list=exempt, layer_decay=layer_decay
        )
        for parameter in group["params"]
    }
    head = "head.weight" if "head.weight" in theirs else "head.fc.weight"
    theirs["head"] = theirs.pop(head)
    theirs = {key: value for key, value in theirs.items() if key in ours}
    assert len(ours) > 20
    assert ours == theirs
    if layer_decay < 1:
        assert len({rate for _, rate in theirs.values()}) > 4


def test_sgd_decays_all_alike_as_the_paper() -> None:
    network = student(build("resnet_small", 0))
    (group,) = groups(Recipe(), network, network.backbone)  # type: ignore[arg-type]
    assert (group.decay, group.rate) == (1e-4, 1.0)
    assert group.parameters == list(network.parameters())


def test_frozen_parameters_are_left_out() -> None:
    network = student(build("resnet_small", 0))
    network.backbone.requires_grad_(False)  # type: ignore[union-attr]
    made = optimiser(Recipe(optimizer="lars"), network, network.backbone)  # type: ignore[arg-type]
    assert sorted(tuple(p.shape) for p in made.parameters) == [(5,), (5, 128)]


def test_layer_decay_needs_an_order_of_layers() -> None:
    network = student(build("resnet_small", 0))
    with pytest.raises(StudyError, match="layer_decay is for vision transformers and ConvNeXts"):
        groups(Recipe(layer_decay=0.9), network, network.backbone)  # type: ignore[arg-type]


def test_a_blocks_rate_reaches_its_step() -> None:
    """Under SGD without momentum and decay a parameter moves by its rate times the learning rate times its gradient."""
    backbone = build("vit_nano", 0)
    network = student(backbone)
    made = optimiser(Recipe(layer_decay=0.5, weight_decay=0.0, momentum=0.0), network, backbone)
    weights = [backbone.blocks[place].mlp.fc1.weight for place in range(4)]
    before = [weight.detach().clone() for weight in weights]
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step(1.0)
    moved = [float((old - new.detach()).mean()) for old, new in zip(before, weights, strict=True)]
    assert moved == pytest.approx([0.0625, 0.125, 0.25, 0.5], abs=1e-5)
