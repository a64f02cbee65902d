from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpt_ray.training import normalisation
from hpt_ray.training.normalisation import GroupStatistics, adapt_only_norm, average_statistics, momentum_of
from hpt_ray.training.workers import Workers
from tests.support import tiny


def activations(n: int, seed: int) -> Tensor:
    return 2 * torch.randn(n, 4, 3, 3, generator=torch.Generator().manual_seed(seed)).double() + 1


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance per channel, as batch norm keeps them, by numpy."""
    flat = x.numpy().transpose(1, 0, 2, 3).reshape(x.shape[1], -1)
    return torch.from_numpy(flat.mean(axis=1)), torch.from_numpy(flat.var(axis=1, ddof=1))


@pytest.mark.parametrize("groups", [1, 2, 4, 7])
@pytest.mark.parametrize("momentum", [0.1, 0.5, 1.0])
def test_the_groups_updates_make_one_update_by_their_mean(groups: int, momentum: float) -> None:
    layer = nn.BatchNorm2d(4).double()
    means, variances = zip(*(moments(activations(5, turn)) for turn in range(groups)), strict=True)
    old_mean, old_var = torch.arange(4.0).double(), torch.arange(1.0, 5.0).double()
    layer.running_mean.copy_(old_mean)
    layer.running_var.copy_(old_var)
    for turn in range(groups):
        layer.momentum = momentum_of(momentum, turn, groups)
        layer(activations(5, turn))
    torch.testing.assert_close(layer.running_mean, (1 - momentum) * old_mean + momentum * sum(means) / groups)
    torch.testing.assert_close(layer.running_var, (1 - momentum) * old_var + momentum * sum(variances) / groups)


def test_statistics_over_iterations() -> None:
    """Of a whole network, whose second layer sees what the first one made of the same group."""
    network = tiny.backbone().double()
    GroupStatistics(network, groups=3)
    network.train()
    expected = {name: value.clone() for name, value in network.named_buffers() if "running" in name}
    for iteration in range(4):
        seen: list[dict[str, Tensor]] = []
        for group in range(3):
            x = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(10 * iteration + group)).double()
            with torch.no_grad():
                for name, layer in network.named_children():
                    if name.startswith("bn"):
                        mean, var = moments(x)
                        seen.append({f"{name}.running_mean": mean, f"{name}.running_var": var})
                        # By the formula, so that the layer under test is not called twice.
                        x = (x - mean.view(1, -1, 1, 1)) / (x.var(dim=(0, 2, 3), correction=0) + layer.eps).sqrt().view(
                            1, -1, 1, 1
                        )
                    else:
                        x = layer(x)
            network(torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(10 * iteration + group)).double())
        for name, value in expected.items():
            mean = torch.stack([found[name] for found in seen if name in found]).mean(dim=0)
            expected[name] = 0.9 * value + 0.1 * mean
    for name, value in expected.items():
        torch.testing.assert_close(network.get_buffer(name), value)


def test_a_forward_in_eval_mode_takes_no_turn() -> None:
    network, reference = tiny.backbone(), tiny.backbone()
    for net in (network, reference):
        GroupStatistics(net, groups=2)
    generator = torch.Generator().manual_seed(0)
    for x in torch.randn(4, 6, 3, 16, 16, generator=generator):
        reference.train()(x)
        network.train()(x)
        network.eval()(x)
    assert tiny.largest_difference(network.state_dict(), reference.state_dict()) == 0


@pytest.mark.parametrize("iterations", [1, 5])
def test_averaging_once_at_the_end_equals_one_worker_with_all_groups(iterations: int) -> None:
    alone = nn.BatchNorm2d(4).double().train()
    pair = [nn.BatchNorm2d(4).double().train() for _ in range(2)]
    GroupStatistics(alone, groups=4)
    for network in pair:
        GroupStatistics(network, groups=2)
    for iteration in range(iterations):
        for group in range(4):
            x = activations(5, 10 * iteration + group)
            alone(x)
            pair[group // 2](x)
    assert not torch.allclose(pair[0].running_mean, pair[1].running_mean)

    class OneByOne(Workers):
        def gather(self, tensor: Tensor) -> Tensor:
            return torch.stack([tensor[0], waiting.pop(0)])

    waiting = [pair[1].running_mean, pair[1].running_var]
    average_statistics(pair[0], OneByOne(0, 2), iterations)
    torch.testing.assert_close(pair[0].running_mean, alone.running_mean)
    torch.testing.assert_close(pair[0].running_var, alone.running_var)
    assert int(pair[0].num_batches_tracked) == iterations


def test_averaging_of_one_worker_changes_no_bit() -> None:
    network = tiny.backbone()
    network.train()(torch.randn(8, 3, 16, 16))
    before = tiny.copy_of(network.state_dict())
    average_statistics(network, Workers(), 1)
    assert tiny.largest_difference(network.state_dict(), before) == 0


@pytest.mark.parametrize(
    ("norm", "kept"),
    [
        (nn.BatchNorm2d, {"bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias"}),
        (lambda channels: nn.GroupNorm(2, channels), {"bn1.weight", "bn1.bias", "bn2.weight", "bn2.bias"}),
        (lambda channels: nn.BatchNorm2d(channels, affine=False), set()),
        (tiny.NoNorm, set()),
    ],
)
def test_only_affine_parameters_of_norms_stay_trainable(norm: type[nn.Module], kept: set[str]) -> None:
    network = tiny.backbone(norm=norm)
    assert set(adapt_only_norm(network)) == kept
    assert {name for name, value in network.named_parameters() if value.requires_grad} == kept


def test_layers_without_running_statistics_are_left_alone() -> None:
    network = tiny.backbone(norm=lambda channels: nn.BatchNorm2d(channels, track_running_stats=False))
    assert normalisation.statistics(network) == []
    GroupStatistics(network, groups=2)
    output = network.train()(torch.randn(4, 3, 16, 16))
    assert np.isfinite(output.detach().numpy()).all()
