"""A step whose loss is of the whole global batch at once, as every projection in it changes the terms of all others.

Each worker takes the derivative of the whole loss by all projections, and sends that of its own rows back through its
network: the sum over workers is the whole gradient, and they average, hence the factor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hpt_ray.training.method import Batch, Method
from hpt_ray.training.workers import Workers


def project_pairs(method: Method, batch: Batch, workers: Workers) -> Tensor:
    """The projections [images of this worker times 2, d] in float32; both views of a group pass the network together.

    Rows are in the order of the groups, of each group those of its first views first.
    """
    parts = []
    exchanges = method.exchanges(len(workers.share(batch.groups)))
    for first, second, exchange in zip(batch.view(0), batch.view(1), exchanges, strict=True):
        with exchange:
            parts.append(method.student(torch.cat([first, second])))
    return torch.cat(parts).float()


def backward(
    projections: Tensor, loss_of: Callable[[Tensor], Tensor], batch: Batch, workers: Workers
) -> tuple[Tensor, Tensor]:
    """Accumulate the gradients of this worker's rows.

    Args:
        projections: of this worker's groups, as ``project_pairs`` orders them.
        loss_of: the loss of the projections of the whole batch, in the same order.

    Returns:
        The loss, and the projections [batch size times 2, d] of all workers, both detached.
    """
    gathered = workers.gather(projections.detach()).requires_grad_()
    loss = loss_of(gathered)
    (slope,) = torch.autograd.grad(loss, gathered)
    start = 2 * batch.group * workers.share(batch.groups).start
    projections.backward(slope[start : start + len(projections)] * workers.size)  # type: ignore[no-untyped-call]
    return loss.detach(), gathered.detach()


def views_of(projections: Tensor, batch: Batch) -> Tensor:
    """The projections [2, batch size, d] of the first views and of the second, from the order of ``project_pairs``."""
    rows = projections.view(batch.groups, 2, batch.group, -1)
    return rows.transpose(0, 1).reshape(2, batch.size, -1)
