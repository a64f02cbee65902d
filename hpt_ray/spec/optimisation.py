"""How a network is optimised: what a user sets of it, and what follows from the backbone.

ResNets train by SGD as in the paper. Transformers and ConvNeXts are made for AdamW, which is their default here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from hpt_ray.spec.recipe import Cooldown, Decay, LayerDecay, Norm, Optimizer, Recipe, Warmup


class Optimisation(TypedDict, total=False):
    """The parameters of every study that say how its networks are optimised."""

    optimizer: Annotated[
        Optimizer | None,
        "none: adamw for transformers and ConvNeXts, else sgd; where nothing is set the next four follow it",
    ]
    warmup: Annotated[
        Warmup | None,
        "share of the iterations, or from 1 on their number, in which the learning rate rises from 0; with wsd a share "
        "is of the scale's iterations",
    ]
    weight_decay: Annotated[Decay | None, "by adamw and lars of all but biases, norms, tokens and positions"]
    layer_decay: Annotated[
        LayerDecay | None, "learning rate of a block, as a share of the next one's; for transformers"
    ]
    clip_grad: Annotated[Norm | None, "largest norm of the gradient of all parameters"]
    schedule: Annotated[
        Literal["cosine", "wsd"] | None,
        "of the learning rate; none: cosine over each budget; wsd: budgets are cooldowns of one constant trunk",
    ]
    cooldown: Annotated[Cooldown | None, "share of the iterations in which the rate of wsd falls; none: 0.2"]
    keep: Annotated[Norm | None, "weight in the loss of how far features move, in arms with :keep; none: 1"]


#: What an optimizer is used with where nothing is set, at a batch of 256. SGD has the scale's recipe.
RECIPES: dict[Optimizer, dict[str, float]] = {
    "sgd": {},
    "adamw": {"lr": 1.5e-4, "weight_decay": 0.1, "warmup": 0.13, "clip_grad": 3.0},
    "lars": {"lr": 0.3, "weight_decay": 1e-6, "warmup": 0.1},
}
SOURCES: dict[Optimizer, str] = {
    "adamw": "MoCo v3 trains ViTs (arXiv 2104.02057, section 4), with the bound on gradients of DINOv2",
    "lars": "SimCLR trains (arXiv 2002.05709, section 2.2)",
}
_MODERN = re.compile(r"(^|[/_])(vit|deit|dinov|beit|eva|swin|cait|xcit|convnext)|convnext")


def default_optimizer(backbone: str) -> Optimizer:
    """By the backbone's name, such as timm/vit_small_patch14_dinov2."""
    return "adamw" if _MODERN.search(backbone) else "sgd"


def fields(settings: Mapping[str, Any], backbone: str, lr_of: Mapping[str, float]) -> dict[str, Any]:
    """The fields of a recipe that are set or follow from the optimizer; None for those that stay the scale's.

    Args:
        lr_of: learning rates by optimizer, where the scale's differ from those of ``RECIPES``.
    """
    optimizer: Optimizer = settings.get("optimizer") or default_optimizer(backbone)
    defaults = {"optimizer": optimizer, **RECIPES[optimizer]}
    defaults |= {"lr": lr_of[optimizer]} if optimizer in lr_of else {}
    given = {name: settings.get(name) for name in ("lr", *Optimisation.__annotations__)}
    return {name: defaults.get(name) if value is None else value for name, value in given.items()}


def shared_warmup(changes: Mapping[str, Any], iterations: int) -> dict[str, Any]:
    """The fields of a recipe of ``wsd``, whose warm-up is the same in all budgets: its share is of these iterations."""
    warmup = changes.get("warmup")
    if changes.get("schedule") != "wsd" or warmup is None or warmup >= 1:
        return dict(changes)
    return {**changes, "warmup": float(round(warmup * iterations))}


def told(recipe: Recipe) -> str | None:
    """What an optimizer other than SGD does, and whose recipe it follows, in one line; None for SGD."""
    if recipe.optimizer == "sgd":
        return None
    warmup = f"{recipe.warmup:.0%}" if recipe.warmup < 1 else f"{recipe.warmup:,.0f} iterations"
    extras = [f"weight decay {recipe.weight_decay:g}", f"a warm-up of {warmup}"]
    extras += [f"layer decay {recipe.layer_decay:g}"] if recipe.layer_decay < 1 else []
    extras += [f"gradients of norm {recipe.clip_grad:g} at most"] if recipe.clip_grad else []
    how = f"optimizer {recipe.optimizer} at lr {recipe.lr:g}, {', '.join(extras)}"
    return f"{how}; what is not set is as {SOURCES[recipe.optimizer]}."
