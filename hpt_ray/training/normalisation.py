"""Batch norm over normalisation groups: the statistics a stage keeps do not depend on which worker has which group.

Every group of an iteration is normalised by its own statistics, as one rank of the paper's distributed training. The
running statistics then move once per iteration, towards the mean of the groups' statistics. (Distributed training as
usual keeps those of rank 0 alone, so they would change with what rank 0 happens to see.)
"""

from __future__ import annotations

from collections import Counter

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hpt_ray.training.workers import Workers

NORM_LAYERS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm)


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The batch-norm layers that keep running statistics."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]


def momentum_of(momentum: float, turn: int, groups: int) -> float:
    """The momentum of the ``turn``-th (from 0) of ``groups`` updates, which together make one update by the mean.

    With shares a = momentum / groups the result must be (1 - momentum) r + a (s_1 + ... + s_groups); update k then
    needs a / (1 - (groups - 1 - k) a), since each later update shrinks the earlier ones.
    """
    share = momentum / groups
    return share / (1 - (groups - 1 - turn) * share)


class GroupStatistics:
    """Sets the momentum of a network's batch-norm layers before each of its worker's groups."""

    def __init__(self, network: nn.Module, groups: int) -> None:
        self.layers = [(layer, layer.momentum) for layer in batch_norms(network) if layer.momentum is not None]
        self.groups = groups
        self.turn = 0
        network.register_forward_pre_hook(self._before_forward)

    def _before_forward(self, network: nn.Module, inputs: object) -> None:
        if not network.training:
            return
        for layer, momentum in self.layers:
            layer.momentum = momentum_of(momentum, self.turn, self.groups)
        self.turn = (self.turn + 1) % self.groups


def statistics(network: nn.Module) -> list[Tensor]:
    """The running means and variances, in the order of the layers."""
    return [
        tensor
        for layer in batch_norms(network)
        for tensor in (layer.running_mean, layer.running_var)
        if tensor is not None
    ]


def average_statistics(network: nn.Module, workers: Workers, iterations: int) -> None:
    """Give every worker the mean of the workers' running statistics.

    The update is linear, so averaging once at the end equals averaging in every iteration.
    """
    for tensor in statistics(network):
        tensor.copy_(workers.gather(tensor[None]).mean(dim=0))
    for layer in batch_norms(network):
        if layer.num_batches_tracked is not None:
            layer.num_batches_tracked.fill_(iterations)


def adapt_only_norm(network: nn.Module) -> list[str]:
    """HPT-BN: freeze everything but the affine parameters of the normalisation layers; running statistics still move.

    Returns:
        The names of the parameters that stay trainable. Where there is no batch norm these are of the layer or group
        norms, and of a network without any there are none.
    """
    network.requires_grad_(False)
    kept = []
    for name, layer in network.named_modules():
        if isinstance(layer, NORM_LAYERS):
            for parameter, value in layer.named_parameters(recurse=False):
                value.requires_grad_(True)
                kept.append(f"{name}.{parameter}")
    return kept


def describe(network: nn.Module) -> str | None:
    """What HPT-BN comes to in a network without batch norm, as a sentence for the run's notes; None if it has some."""
    if batch_norms(network):
        return None
    kinds = Counter(type(layer).__name__ for layer in network.modules() if isinstance(layer, NORM_LAYERS))
    if not kinds:
        return "The backbone has no normalisation layers, so HPT-BN has nothing to train."
    layers = " and ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return (
        f"The backbone has no batch norm, so HPT-BN trains the scale and shift of what it has ({layers}), "
        "and there are no running statistics to move."
    )
