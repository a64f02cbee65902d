"""Our stochastic gradient descent is torch's, to the bit, and goes on where it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from hpt_ray.training.loop.optimiser import SGD


def gradients(network: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    network(torch.randn(8, 4)).square().mean().backward()


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 1e-4), (0.0, 0.0), (0.9, 0.0)])
def test_equals_torch_to_the_bit(momentum: float, decay: float) -> None:
    ours = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    theirs = copy.deepcopy(ours)
    for network in (ours, theirs):
        network[2].bias.requires_grad_(False)
    mine = SGD([p for p in ours.parameters() if p.requires_grad], momentum=momentum, weight_decay=decay)
    other = torch.optim.SGD(
        [p for p in theirs.parameters() if p.requires_grad], lr=1, momentum=momentum, weight_decay=decay, fused=True
    )
    for step in range(5):
        lr = 0.1 / (step + 1)
        gradients(ours, step)
        mine.step(lr)
        gradients(theirs, step)
        other.param_groups[0]["lr"] = lr
        other.step()
        other.zero_grad(set_to_none=True)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(a, b)
    assert all(p.grad is None for p in ours.parameters())


def test_goes_on_from_its_state() -> None:
    torch.manual_seed(0)
    whole = nn.Linear(4, 2)
    first = SGD(whole.parameters(), momentum=0.9, weight_decay=1e-4)
    for step in range(2):
        gradients(whole, step)
        first.step(0.1)
    resumed = copy.deepcopy(whole)
    second = SGD(resumed.parameters(), momentum=0.9, weight_decay=1e-4)
    second.restore([None if velocity is None else velocity.clone() for velocity in first.state()])
    for network, optimiser in ((whole, first), (resumed, second)):
        gradients(network, 2)
        optimiser.step(0.1)
    assert torch.equal(whole.weight, resumed.weight)


def test_a_parameter_without_a_gradient_stays() -> None:
    network = nn.Linear(4, 2)
    before = network.bias.clone()
    network.bias.requires_grad_(False)
    optimiser = SGD(network.parameters(), momentum=0.9, weight_decay=0.1)
    gradients(network, 0)
    optimiser.step(0.1)
    assert torch.equal(network.bias, before)
