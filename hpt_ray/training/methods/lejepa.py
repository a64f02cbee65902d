"""LeJEPA: views of an image agree, and the projections of all images are normally distributed; no teacher, no queue.

Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics" (arXiv
2511.08544): the regulariser SIGReg compares the projections on random directions with N(0, 1) by the test of Epps and
Pulley (1983). Defaults are those of the authors' minimal example: weight 0.02, 256 directions, 17 points of integration
up to 3, a projector of two hidden layers of 2,048 and 16 outputs. They use four views or more; here there are two.

As in their training both views of a group pass the network together. The test is of the global batch, whatever the
number of workers, on directions that all of them know.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from hpt_ray.core.identity import stream
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.heads import projector
from hpt_ray.training.method import Batch, Method, Projected, initialised
from hpt_ray.training.whole_batch import backward, project_pairs, views_of
from hpt_ray.training.workers import Workers

#: The integral over frequencies is taken from -LAST to LAST by the trapezoidal rule; both halves are equal.
LAST, POINTS = 3.0, 17


def epps_pulley(samples: Tensor) -> Tensor:
    """n times the integral of |empirical characteristic function - that of N(0, 1)|^2, weighted by exp(-t^2 / 2).

    Args:
        samples: [n, m], of m distributions.

    Returns:
        The statistic [m] (arXiv 2511.08544, section 4.2): small for samples of N(0, 1), up to n times 2 otherwise.
    """
    frequencies = torch.linspace(0, LAST, POINTS, dtype=samples.dtype, device=samples.device)
    normal = torch.exp(-(frequencies**2) / 2)
    angles = samples[..., None] * frequencies
    distance = (angles.cos().mean(dim=0) - normal) ** 2 + angles.sin().mean(dim=0) ** 2
    return 2 * len(samples) * torch.trapezoid(distance * normal, frequencies, dim=-1)


def sigreg(projections: Tensor, directions: Tensor) -> Tensor:
    """The mean over directions of the statistic of the projections on them.

    Args:
        projections: [n, d]. directions: [d, m], of length 1.
    """
    return epps_pulley(projections @ directions).mean()


def lejepa(views: Tensor, directions: Tensor, weight: float) -> Tensor:
    """The loss of the projections [v, n, d] of v views of n images: (1 - weight) agreement + weight SIGReg."""
    agreement = (views - views.mean(dim=0)).square().mean()
    regulariser = torch.stack([sigreg(view, directions) for view in views]).mean()
    return (1 - weight) * agreement + weight * regulariser


class LeJEPA(Method):
    """One network for both views, trained by gradient."""

    class Options(Frozen):
        weight: Annotated[float, Field(gt=0, lt=1)] = 0.02
        directions: Annotated[int, Field(gt=0)] = 256
        hidden: Annotated[int, Field(gt=0)] = 2048
        dim: Annotated[int, Field(gt=0)] = 16

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.weight = options.weight
        with initialised(seed, "head"):
            self.student = Projected(backbone, projector(backbone.dim, options.hidden, options.dim))
        self._latest = torch.empty(0, options.dim)

    @classmethod
    def draws(cls, options: Options, seed: int, iteration: int, batch: int, image_size: int) -> dict[str, NDArray[Any]]:
        """Random directions [dim, count] of length 1, new ones in each iteration."""
        drawn = stream(seed, "directions", iteration).standard_normal((options.dim, options.directions))
        return {"directions": (drawn / np.linalg.norm(drawn, axis=0)).astype(np.float32)}

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        def loss_of(gathered: Tensor) -> Tensor:
            with torch.autocast(gathered.device.type, enabled=False):
                return lejepa(views_of(gathered, batch), batch.drawn["directions"], self.weight)

        # Every projection changes the statistic of the whole batch.
        loss, gathered = backward(project_pairs(self, batch, workers), loss_of, batch, workers)
        self._latest = F.normalize(gathered, dim=1)
        return loss

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = LeJEPA
