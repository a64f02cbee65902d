"""The small vision transformer is timm's, with fixed positions."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from hpt_ray.spec.arm import Tune
from hpt_ray.training.backbone import build, outline
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.transformer import positions
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("size", [32, 24])
def test_the_network_is_timms(size: int) -> None:
    timm = pytest.importorskip("timm")
    ours = build("vit_nano", 0)
    theirs = timm.models.vision_transformer.VisionTransformer(
        img_size=size, patch_size=4, embed_dim=96, depth=4, num_heads=3, num_classes=0,
        global_pool="avg", class_token=False, fc_norm=False,
    )  # fmt: skip
    state = ours.state_dict() | {"pos_embed": positions(size // 4, size // 4, 96)}
    theirs.load_state_dict(state)
    images = torch.rand(3, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.eval()(images), atol=1e-5, rtol=1e-5)


def test_positions_are_mocos() -> None:
    """The formula of MoCo v3's build_2d_sincos_position_embedding for one patch of a grid of 3 x 5."""
    row, column, quarter = 2, 3, 24
    place = positions(3, 5, 96)[0, row * 5 + column]
    frequency = [10_000 ** -(k / quarter) for k in range(quarter)]
    expected = [wave(where * f) for where in (column, row) for wave in (math.sin, math.cos) for f in frequency]
    torch.testing.assert_close(place, torch.tensor(expected))


def test_the_seed_is_the_initialisation_and_an_outline_has_its_shapes() -> None:
    one, other, again = (build("vit_nano", seed).state_dict() for seed in (0, 1, 0))
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["blocks.0.attn.qkv.weight"], other["blocks.0.attn.qkv.weight"])
    assert {key: value.shape for key, value in outline("vit_nano").state_dict().items()} == {
        key: value.shape for key, value in one.items()
    }
    # patches; four blocks of two norms, attention and MLP; the last norm
    block = 2 * 2 * 96 + 97 * 3 * 96 + 97 * 96 + 97 * 384 + 385 * 96
    assert sum(value.numel() for value in one.values()) == (48 + 1) * 96 + 4 * block + 2 * 96


def pretrainer(method: str, tune: Tune = "all") -> Pretrainer:
    recipe = tiny.recipe(method=method)
    return Pretrainer(
        recipe, build("vit_nano", 0), tiny.dataset(), iterations=4, image_size=tiny.SIZE, seed=0, tune=tune
    )


@pytest.mark.parametrize("method", tiny.OPTIONS)
def test_every_method_trains_it_and_goes_on_to_the_bit(method: str) -> None:
    whole, first, second = (pretrainer(method) for _ in range(3))
    before = tiny.copy_of(whole.backbone.state_dict())
    losses = [row["loss"] for row in whole.run().rows]
    assert all(map(math.isfinite, losses))
    assert all(not torch.equal(value, before[key]) for key, value in whole.backbone.state_dict().items())
    for _ in range(2):
        first.step()
    second.restore(first.state())
    second.run()
    assert tiny.largest_difference(whole.backbone.state_dict(), second.backbone.state_dict()) == 0


def test_hpt_bn_moves_its_layer_norms_and_nothing_else() -> None:
    trained = pretrainer("moco_v2", "bn")
    before = tiny.copy_of(trained.backbone.state_dict())
    trained.run()
    moved = {key for key, value in trained.backbone.state_dict().items() if not torch.equal(value, before[key])}
    assert moved == {key for key in before if "norm" in key}
    assert len(moved) == 2 * 9


def test_it_needs_neither_timm_nor_torchvision_nor_the_compiler() -> None:
    code = (
        "import sys\nfrom hpt_ray.training.backbone import build, outline\noutline('vit_nano')\nbuild('vit_nano', 0)\n"
        "print([name for name in ('torchvision', 'timm', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
