"""Which optimizer a backbone gets, and that earlier recipes keep their identity."""

from __future__ import annotations

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import canonical
from hpt_ray.spec.optimisation import default_optimizer, told
from hpt_ray.spec.parameters import make
from hpt_ray.spec.recipe import Recipe
from hpt_ray.spec.study import Pretraining, Study

LATER = ("optimizer", "warmup", "layer_decay", "clip_grad", "keep")


def target(**settings: str) -> Pretraining:
    study: Study = make("augment_ablation", settings)
    recipe = study.recipes["target"]
    assert isinstance(recipe, Pretraining)
    return recipe


@pytest.mark.parametrize(
    ("backbone", "optimizer"),
    [
        ("resnet_small", "sgd"),
        ("torchvision/resnet101", "sgd"),
        ("timm/mobilevitv2_050", "sgd"),
        ("./advit.py", "sgd"),
        ("vit_nano", "adamw"),
        ("timm/vit_small_patch14_dinov2", "adamw"),
        ("timm/deit_tiny_patch16_224", "adamw"),
        ("torchvision/vit_b_16", "adamw"),
        ("torchvision/convnext_tiny", "adamw"),
        ("timm/convnextv2_atto", "adamw"),
    ],
)
def test_the_default_follows_the_backbone(backbone: str, optimizer: str) -> None:
    assert default_optimizer(backbone) == optimizer


def test_a_recipe_of_before_has_its_identity_of_before() -> None:
    """A new field would change the id of every stage that there is."""
    assert not any(f'"{name}"' in canonical(Recipe()) for name in LATER)
    assert not any(f'"{name}"' in canonical(target().recipe_for("all")) for name in LATER)
    changed = Recipe(optimizer="adamw", warmup=0.1, layer_decay=0.9, clip_grad=3.0, keep=0.5)
    assert all(f'"{name}"' in canonical(changed) for name in LATER)
    assert Recipe.model_validate_json(canonical(changed)) == changed


def test_a_transformer_trains_as_moco_v3_trained_it() -> None:
    recipe = target(scale="paper", backbone="timm/vit_small_patch16_224")
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay) == ("adamw", 1.5e-4, 0.1)
    assert (recipe.warmup, recipe.clip_grad, recipe.layer_decay) == (0.13, 3.0, 1.0)
    note = told(recipe)
    assert note is not None
    assert "adamw at lr 0.00015, weight decay 0.1, a warm-up of 13%, gradients of norm 3 at most" in note
    assert "2104.02057" in note
    assert target(backbone="vit_nano").lr == 1e-3


def test_what_is_set_is_what_holds() -> None:
    recipe = target(backbone="vit_nano", optimizer="sgd", lr="0.1")
    assert recipe == target().model_copy(update={"lr": 0.1})
    assert told(recipe) is None
    recipe = target(optimizer="lars", weight_decay="0", warmup="0", layer_decay="0.8", clip_grad="1")
    assert (recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.warmup) == ("lars", 0.3, 0.0, 0.0)
    assert (recipe.layer_decay, recipe.clip_grad) == (0.8, 1.0)
    assert "layer decay 0.8" in (told(recipe) or "")


@pytest.mark.parametrize(
    ("name", "value"), [("optimizer", "adam"), ("warmup", "1.5"), ("layer_decay", "0"), ("clip_grad", "0")]
)
def test_what_cannot_be_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(StudyError, match=name):
        target(**{name: value})
