"""How a network is pretrained, whatever the images, the budget and the seed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from hpt_ray.core.values import Frozen
from hpt_ray.spec.policy import Policy

#: A whole number from 1 to 10^9: small enough that products of two are exact in every table.
Positive = Annotated[int, Field(gt=0, le=10**9)]


class Recipe(Frozen):
    """Method, augmentation and optimiser. ``batch`` is global, cut into ``group``s that are normalised together."""

    #: Share of the pretraining images that may be seen: nested, stratified subsets, drawn by the seed of the phase.
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    policy: Policy = Policy()
    method: str = "moco_v2"
    options: dict[str, float | int] = Field(default_factory=dict)
    batch: Positive = 256
    group: Positive = 64
    lr: Annotated[float, Field(gt=0)] = 0.03
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if self.batch % self.group:
            raise ValueError(f"batch {self.batch} is not a multiple of the normalisation group {self.group}")
        return self
