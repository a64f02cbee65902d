"""Stochastic gradient descent with momentum, as ``torch.optim.SGD`` computes it.

That class imports torch's compiler into every process that makes one: 1.8 s of a core and 80 MB (measured on two
cores), at every start of a worker, although it is not used. The function ``sgd`` does not import it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd


class SGD:
    """Updates parameters in place from their gradients; one without a gradient stays as it is.

    Args:
        momentum, weight_decay: as in ``torch.optim.SGD``: v <- momentum v + g + weight_decay p; p <- p - lr v.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, momentum: float, weight_decay: float) -> None:
        self.parameters = list(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.velocities: list[Tensor | None] = [None] * len(self.parameters)

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update; clears the gradients."""
        moving = [place for place, parameter in enumerate(self.parameters) if parameter.grad is not None]
        velocities = [self.velocities[place] for place in moving]
        sgd(
            [self.parameters[place] for place in moving],
            [grad for place in moving if (grad := self.parameters[place].grad) is not None],
            velocities,
            fused=True,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        for place, velocity in zip(moving, velocities, strict=True):
            self.velocities[place] = velocity
        self.clear()

    def clear(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> list[Tensor | None]:
        """The velocities, for a checkpoint."""
        return self.velocities

    def restore(self, velocities: list[Tensor | None]) -> None:
        """Continue from ``state()``."""
        self.velocities = list(velocities)
