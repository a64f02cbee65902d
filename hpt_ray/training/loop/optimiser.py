"""Optimisers as torch and the papers compute them, over groups of parameters.

``torch.optim``'s classes import torch's compiler into every process that makes one: 1.8 s of a core and 80 MB (measured
on two cores), at every start of a worker, although it is not used. Their functions do not import it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd


@dataclass(frozen=True)
class Group:
    """Parameters that are updated alike: by ``rate`` times the learning rate, with ``decay`` as weight decay."""

    parameters: list[nn.Parameter]
    decay: float = 0.0
    rate: float = 1.0


class Optimiser(ABC):
    """Updates parameters in place from their gradients; one without a gradient stays as it is.

    Args:
        momentum: the decay of the first moment.
        clip: the largest norm of the gradient of all parameters together; None: any.
    """

    #: How many moments each parameter has.
    MOMENTS: ClassVar[int] = 1

    def __init__(self, groups: Iterable[Group], *, momentum: float, clip: float | None = None) -> None:
        self.groups, self.momentum, self.clip = list(groups), momentum, clip
        self.parameters = [parameter for group in self.groups for parameter in group.parameters]
        self.moments: list[list[Tensor | None]] = [[None] * len(self.parameters) for _ in range(self.MOMENTS)]

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One update; clears the gradients."""
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        start = 0
        for group in self.groups:
            places = [start + place for place, p in enumerate(group.parameters) if p.grad is not None]
            start += len(group.parameters)
            parameters: list[Tensor] = [self.parameters[place] for place in places]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            moments = [[of_all[place] for place in places] for of_all in self.moments]
            if places:
                self._update(parameters, gradients, moments, lr * group.rate, group.decay)
            for of_all, of_group in zip(self.moments, moments, strict=True):
                for place, moment in zip(places, of_group, strict=True):
                    of_all[place] = moment
        self.clear()

    @abstractmethod
    def _update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor | None]],
        lr: float,
        decay: float,
    ) -> None:
        """Update parameters and replace their moments, None before the first update."""

    def clear(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> list[Tensor | None]:
        """The moments of all parameters, for a checkpoint."""
        return [moment for of_all in self.moments for moment in of_all]

    def restore(self, moments: list[Tensor | None]) -> None:
        """Continue from ``state()``."""
        count = len(self.parameters)
        self.moments = [list(moments[place * count : (place + 1) * count]) for place in range(self.MOMENTS)]


class SGD(Optimiser):
    """v <- momentum v + g + decay p; p <- p - lr v, as ``torch.optim.SGD``."""

    def _update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor | None]],
        lr: float,
        decay: float,
    ) -> None:
        sgd(
            parameters,
            gradients,
            moments[0],
            fused=True,
            weight_decay=decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )


class AdamW(Optimiser):
    """Adam with decoupled weight decay, as ``torch.optim.AdamW`` (Loshchilov and Hutter, arXiv 1711.05101, Alg. 2).

    The decay of the second moment is 0.999 and epsilon 1e-8, torch's defaults, which MoCo v3 and DINOv2 use.
    """

    MOMENTS = 3  # the mean of the gradients, that of their squares, and the number of updates

    def _update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor | None]],
        lr: float,
        decay: float,
    ) -> None:
        for place, parameter in enumerate(parameters):
            if moments[0][place] is None:
                moments[0][place], moments[1][place] = torch.zeros_like(parameter), torch.zeros_like(parameter)
                moments[2][place] = torch.zeros((), dtype=torch.float32, device=parameter.device)
        means, squares, updates = ([moment for moment in of_all if moment is not None] for of_all in moments)
        adamw(
            parameters,
            gradients,
            means,
            squares,
            [],
            updates,
            fused=True,
            amsgrad=False,
            beta1=self.momentum,
            beta2=0.999,
            lr=lr,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
        )


class LARS(Optimiser):
    """SGD whose steps are in proportion to each parameter's norm (You et al., arXiv 1708.03888, Algorithm 1).

    v <- momentum v + c |p| / (|g| + decay |p|) (g + decay p); p <- p - lr v, with c = 0.001; parameters without weight
    decay have plain SGD, as in SimCLR and BYOL.
    """

    TRUST, EPSILON = 0.001, 1e-8

    def _update(
        self,
        parameters: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor | None]],
        lr: float,
        decay: float,
    ) -> None:
        velocities = moments[0]
        for place, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            step = gradient
            if decay:
                size, slope = parameter.norm(), gradient.norm()
                trust = self.TRUST * size / (slope + decay * size + self.EPSILON)
                step = torch.where(size * slope > 0, trust * (gradient + decay * parameter), gradient)
            before = velocities[place]
            velocity = step.clone() if before is None else before.mul_(self.momentum).add_(step)
            velocities[place] = velocity
            parameter.add_(velocity, alpha=-lr)
