"""Averages of two networks, against the formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from hpt_ray.training.weights.checkpoints import State, tensors
from hpt_ray.training.weights.interpolation import interpolate
from tests.support import tiny


def states(norm: type[nn.Module] = nn.BatchNorm2d) -> tuple[State, State]:
    """The tensors of two networks, whose running statistics differ too."""
    both = [tiny.copy_of(tensors(tiny.backbone(seed, norm))) for seed in (0, 1)]
    generator = torch.Generator().manual_seed(0)
    for state in both:
        for name in state:
            if "running" in name:
                state[name] = torch.rand(state[name].shape, generator=generator) + 0.5
    return both[0], both[1]


def average(weight: float) -> State:
    start, end = states()
    network = tiny.backbone(1)
    network.load_state_dict(end, strict=False)
    interpolate(network, start, weight)
    return tensors(network)


@pytest.mark.parametrize("weight", [0.25, 0.5, 0.9])
def test_it_is_the_average_of_every_tensor(weight: float) -> None:
    start, end = states()
    for name, tensor in average(weight).items():
        torch.testing.assert_close(tensor, (1 - weight) * start[name] + weight * end[name], rtol=1e-6, atol=1e-7)


def test_at_the_ends_it_is_the_start_and_the_end_to_the_bit() -> None:
    start, end = states()
    assert tiny.largest_difference(average(0.0), start) == tiny.largest_difference(average(1.0), end) == 0
