"""The head that several methods project features by."""

from __future__ import annotations

from torch import nn


def projector(inputs: int, hidden: int, outputs: int, *, bias: bool = True) -> nn.Sequential:
    """Two hidden layers with batch norm, which takes the biases before it away, and one without.

    Args:
        bias: whether the last layer has one.
    """
    layers = list[nn.Module]()
    for width, wider in ((inputs, hidden), (hidden, hidden)):
        norm = nn.BatchNorm1d(wider, track_running_stats=False)
        layers += [nn.Linear(width, wider, bias=False), norm, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs, bias=bias))
