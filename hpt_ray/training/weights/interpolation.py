"""The average of two networks, one of which was trained on from the other.

WiSE-FT (Wortsman et al., arXiv 2109.01903, section 3): each weight is (1 - a) times that before training plus a times
that after it. Such an average is often better on what is new than its start, and on what is old than its end. The
running statistics of batch norm are of neither network's features: see ``training.statistics``.
"""

from __future__ import annotations

import torch

from hpt_ray.training.backbone import Backbone
from hpt_ray.training.weights.checkpoints import State, tensors


@torch.no_grad()
def interpolate(network: Backbone, start: State, weight: float) -> None:
    """Make a network's weights and running statistics (1 - weight) those it started from + weight its own.

    At 0 and at 1 they are those it started from and its own, to the bit.

    Args:
        start: what it started from, by the names of its tensors. weight: from 0 to 1.
    """
    for name, tensor in tensors(network).items():
        if tensor.is_floating_point():  # a table of indices is the same in both
            tensor.copy_(torch.lerp(start[name], tensor, weight))
