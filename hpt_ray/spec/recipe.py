"""How a network is pretrained, whatever the images, the budget and the seed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from hpt_ray.core.values import Frozen, later
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.schedule import COOLDOWN, Schedule

#: A whole number from 1 to 10^9: small enough that products of two are exact in every table.
Positive = Annotated[int, Field(gt=0, le=10**9)]

Optimizer = Literal["sgd", "adamw", "lars"]
Cooldown = Annotated[float, Field(gt=0, lt=1)]
Warmup = Annotated[float, Field(ge=0, le=10**9)]
Decay = Annotated[float, Field(ge=0)]
LayerDecay = Annotated[float, Field(gt=0, le=1)]
Norm = Annotated[float, Field(gt=0)]


class Recipe(Frozen):
    """Method, augmentation and optimiser. ``batch`` is global, cut into ``group``s that are normalised together.

    Attributes:
        fraction: share of the pretraining images that may be seen: nested, stratified subsets, by the phase's seed.
        schedule: how the learning rate changes over the iterations, see ``hpt_ray.spec.schedule``.
        cooldown: of ``wsd``: share of the iterations in which it falls.
        warmup: in which share of the iterations, or from 1 on in how many, it rises from 0.
        layer_decay: learning rate of a block, as a share of the next one's.
        clip_grad: largest norm of the gradient of all parameters; None: any.
        keep: of phases with ``:keep``: the weight of the distance from the features that they start from.
    """

    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    policy: Policy = Policy()
    method: str = "moco_v2"
    options: dict[str, float | int] = Field(default_factory=dict)
    batch: Positive = 256
    group: Positive = 64
    lr: Annotated[float, Field(gt=0)] = 0.03
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Decay = 1e-4
    optimizer: Optimizer = later("sgd")
    schedule: Schedule = later("cosine")
    cooldown: Cooldown = later(COOLDOWN)
    warmup: Warmup = later(0.0)
    layer_decay: LayerDecay = later(1.0)
    clip_grad: Norm | None = later(None)
    keep: Norm = later(1.0)

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.batch % self.group:
            raise ValueError(f"batch {self.batch} is not a multiple of the normalisation group {self.group}")
        if self.warmup > 1 and not self.warmup.is_integer():
            raise ValueError(f"warmup {self.warmup:g} is neither a share of the iterations nor a whole number of them")
        if self.schedule != "cosine" and 0 < self.warmup < 1:
            raise ValueError(
                f"all budgets share the warm-up of schedule {self.schedule}: give warmup as a number of iterations"
            )
        return self


AnyRecipe = TypeVar("AnyRecipe", bound=Recipe)


def change(recipe: AnyRecipe, **changes: Any) -> AnyRecipe:
    """A recipe with some fields changed, validated; None leaves a field as it is."""
    given = {name: value for name, value in changes.items() if value is not None}
    return type(recipe).model_validate({**recipe.model_dump(), **given})
