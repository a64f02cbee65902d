"""Our optimisers are torch's, to the bit, and lightly's LARS; they go on where they were."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest
import torch
from lightly.utils import lars
from torch import nn

from hpt_ray.training.loop.optimiser import LARS, SGD, AdamW, Group, Optimiser


def gradients(network: nn.Module, step: int) -> None:
    torch.manual_seed(step)
    network(torch.randn(8, 4)).square().mean().backward()


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))


def alike(
    ours: type[Optimiser], theirs: Callable[..., torch.optim.Optimizer], exact: bool, momentum: float, decay: float
) -> None:
    """Five steps of both, the weights with weight decay and the biases without, at twice the learning rate."""
    mine, other = small_network(), small_network()
    mine[2].bias.requires_grad_(False)
    other[2].bias.requires_grad_(False)
    weights, biases = ([p for p in mine.parameters() if p.ndim == ndim and p.requires_grad] for ndim in (2, 1))
    optimiser = ours([Group(weights, decay), Group(biases, 0.0, rate=2.0)], momentum=momentum)
    groups = [
        {"params": [p for p in other.parameters() if p.ndim == ndim and p.requires_grad], "weight_decay": ndim_decay}
        for ndim, ndim_decay in ((2, decay), (1, 0.0))
    ]
    reference = theirs(groups, lr=1.0)
    for step in range(5):
        lr = 0.1 / (step + 1)
        gradients(mine, step)
        optimiser.step(lr)
        gradients(other, step)
        reference.param_groups[0]["lr"], reference.param_groups[1]["lr"] = lr, 2 * lr
        reference.step()
        reference.zero_grad(set_to_none=True)
        for a, b in zip(mine.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0 if exact else 1e-6, atol=0 if exact else 1e-7)
    assert all(p.grad is None for p in mine.parameters())


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 1e-4), (0.0, 0.0), (0.9, 0.0)])
def test_sgd_equals_torch_to_the_bit(momentum: float, decay: float) -> None:
    alike(SGD, partial(torch.optim.SGD, momentum=momentum, fused=True), True, momentum, decay)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_adamw_equals_torch_to_the_bit(decay: float) -> None:
    alike(AdamW, partial(torch.optim.AdamW, betas=(0.8, 0.999), fused=True), True, 0.8, decay)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_lars_equals_lightlys(decay: float) -> None:
    alike(LARS, partial(lars.LARS, momentum=0.9), False, 0.9, decay)


def test_lars_takes_the_plain_gradient_of_a_parameter_of_zeros() -> None:
    weight = nn.Parameter(torch.zeros(3))
    weight.grad = torch.tensor([1.0, 2.0, 3.0])
    LARS([Group([weight], 0.5)], momentum=0.9).step(0.1)
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.1, -0.2, -0.3]))


@pytest.mark.parametrize("kind", [SGD, AdamW, LARS])
def test_goes_on_from_its_state(kind: type[Optimiser]) -> None:
    def optimiser(network: nn.Module) -> Optimiser:
        return kind([Group([network.weight], 0.1), Group([network.bias])], momentum=0.9)  # type: ignore[list-item]

    torch.manual_seed(0)
    whole = nn.Linear(4, 2)
    first = optimiser(whole)
    for step in range(2):
        gradients(whole, step)
        first.step(0.1)
    resumed = copy.deepcopy(whole)
    second = optimiser(resumed)
    second.restore([None if moment is None else moment.clone() for moment in first.state()])
    for network, each in ((whole, first), (resumed, second)):
        gradients(network, 2)
        each.step(0.1)
    assert torch.equal(whole.weight, resumed.weight)
    assert torch.equal(whole.bias, resumed.bias)


@pytest.mark.parametrize("kind", [SGD, AdamW, LARS])
def test_a_parameter_without_a_gradient_stays(kind: type[Optimiser]) -> None:
    network = nn.Linear(4, 2)
    before = network.bias.clone()
    network.bias.requires_grad_(False)
    optimiser = kind([Group(list(network.parameters()), 0.1)], momentum=0.9)
    gradients(network, 0)
    optimiser.step(0.1)
    assert torch.equal(network.bias, before)


@pytest.mark.parametrize(("clip", "shrunk"), [(0.5, True), (1e6, False)])
def test_clipping_bounds_the_norm_of_all_gradients_together(clip: float, shrunk: bool) -> None:
    network = small_network()
    before = [p.detach().clone() for p in network.parameters()]
    torch.manual_seed(1)
    network(10 * torch.randn(8, 4)).square().mean().backward()
    slopes = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    norm = sum(float(slope.square().sum()) for slope in slopes) ** 0.5
    assert norm > 0.5
    SGD([Group(list(network.parameters()))], momentum=0.0, clip=clip).step(0.1)
    for old, slope, new in zip(before, slopes, network.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), old - 0.1 * slope * (clip / norm if shrunk else 1.0))


def test_no_optimiser_imports_the_compiler() -> None:
    code = (
        "import sys, torch\nfrom hpt_ray.training.loop.optimiser import AdamW, LARS, SGD, Group\n"
        "for kind in (AdamW, LARS, SGD):\n"
        "    weight = torch.nn.Parameter(torch.ones(3)); weight.grad = torch.ones(3)\n"
        "    kind([Group([weight], 0.1)], momentum=0.9, clip=1.0).step(0.1)\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
