from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hpt_ray.training import footprint
from hpt_ray.training.backbone import build, outline
from hpt_ray.training.footprint import demand, gflop, images_at_once
from tests.support import tiny


@pytest.mark.parametrize(
    ("name", "size", "largest"),
    [
        ("resnet_small", 32, 32 * 16 * 16 * 4),  # the first convolution's output: channels x side x side x float32
        ("resnet50", 64, 64 * 32 * 32 * 4),
        ("resnet50", 224, 64 * 112 * 112 * 4),
        ("resnet50", 448, 64 * 224 * 224 * 4),
    ],
)
def test_chunks_are_as_large_as_their_largest_activation_allows(name: str, size: int, largest: int) -> None:
    chunk = images_at_once(build(name, 0, size).eval(), torch.zeros(1, 3, size, size))
    assert chunk == 2 ** min(8, int(torch.tensor(2**28 / largest).log2().floor()))


def test_today_s_quick_scale_is_one_chunk_of_256() -> None:
    """So that version 0.1.0's bits stay."""
    assert images_at_once(build("resnet_small", 0, 32).eval(), torch.zeros(1, 3, 32, 32)) == 256


def test_an_image_larger_than_the_budget_passes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footprint, "BYTES", 100)
    assert images_at_once(nn.Flatten(), torch.zeros(5, 3, 16, 16)) == 1


def test_what_a_layer_returns_beside_a_tensor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pair(nn.Module):
        def forward(self, images: Tensor) -> dict[str, tuple[Tensor, int]]:
            return {"a": (images.repeat(1, 8, 1, 1), 3)}

    monkeypatch.setattr(footprint, "BYTES", 3 * 16 * 16 * 4 * 8 * 4)
    assert images_at_once(Pair(), torch.zeros(1, 3, 16, 16)) == 4


def test_the_network_keeps_its_numbers_and_no_hook() -> None:
    network = tiny.backbone().eval()
    before = tiny.copy_of(network.state_dict())
    images_at_once(network, torch.randn(1, 3, 16, 16))
    assert tiny.largest_difference(network.state_dict(), before) == 0
    assert not any(layer._forward_hooks for layer in network.modules())


def test_operations_are_those_of_the_paper() -> None:
    """He et al. 2015, table 1, counts multiply-adds: 3.8e9 for ResNet-50, here with its stride in the 3 x 3 layers."""
    assert gflop(outline("resnet50", 224), 224) == pytest.approx(2 * 4.09, rel=0.01)


def test_demand_grows_with_groups_and_batches() -> None:
    one, more = (demand("resnet_small", 32, batch=4 * n, group=n, resident=10**6) for n in (1, 2))
    # A convolution, batch norm, ReLU (twice a block) and its shortcut, and the features.
    stem, blocks = 3 * 32 * 16**2, 7 * 32 * 16**2 + 8 * 64 * 8**2 + 8 * 128 * 4**2 + 128
    assert more.bytes - one.bytes == pytest.approx(4 * (stem + blocks) + 8 * 4 * 3 * 32**2 * 4, rel=0.01)
    assert more.gflop == 2 * one.gflop


def test_adamws_second_moment_is_as_large_as_the_weights() -> None:
    one, two = (demand("resnet_small", 32, batch=4, group=4, resident=0, moments=moments) for moments in (1, 2))
    weights = sum(parameter.nbytes for parameter in build("resnet_small", 0).parameters())
    assert two.bytes - one.bytes == weights
