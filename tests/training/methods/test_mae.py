from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightly.models.modules import MaskedVisionTransformerTIMM
from lightly.models.utils import normalize_mean_var, patchify
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.prepare import prepare
from hpt_ray.store.store import Store
from hpt_ray.training.backbone import Backbone, build
from hpt_ray.training.backbones._published import published
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import Batch
from hpt_ray.training.methods.mae import MAE, Decoder, Masked, at, patches_of, reconstruction
from hpt_ray.training.transformer import positions
from hpt_ray.training.workers import Workers
from tests.support import small, tiny
from tests.support.among import Among

pytestmark = pytest.mark.usefixtures("one_thread")
BATCH, GROUP, PATCH = 8, 2, 4
OPTIONS: dict[str, Any] = {"patch": PATCH, "dim": 16, "depth": 1, "heads": 2}


def made(seed: int = 0) -> MAE:
    method = MAE(build("vit_nano", seed), MAE.options(OPTIONS), seed, 0)
    method.train()
    return method


def order(iteration: int = 0) -> Tensor:
    return torch.from_numpy(MAE.draws(MAE.options(OPTIONS), 0, iteration, BATCH, tiny.SIZE)["order"])


def batch(iteration: int = 0, workers: Workers | None = None) -> Batch:
    given = tiny.views(iteration, BATCH)
    return tiny.batch(
        iteration, given, GROUP, orders=MAE.views, workers=workers, drawn={"order": order(iteration).numpy()}
    )


def vit(**options: Any) -> Backbone:
    def make() -> nn.Module:
        network: nn.Module = VisionTransformer(
            img_size=16, patch_size=PATCH, embed_dim=24, depth=2, num_heads=2, num_classes=0, **options
        )
        return network

    return published(make, "the network", 16)


@pytest.mark.parametrize("registers", [0, 2])
def test_the_encoder_sees_the_visible_patches_as_lightlys(registers: int) -> None:
    network = vit(reg_tokens=registers)
    images, places = tiny.views(0, BATCH)[0], order()
    initialised = {"weight_initialization": "skip", "pos_embed_initialization": "skip"}
    reference = MaskedVisionTransformerTIMM(copy.deepcopy(network.network), **initialised)
    others = torch.arange(1 + registers).expand(BATCH, -1)
    expected = reference.encode(images, idx_keep=torch.cat([others, places[:, :4] + 1 + registers], dim=1))
    encoded: list[Tensor] = []
    decoder = Decoder(24, 16, 1, 2, PATCH**2 * 3)
    decoder.embed.register_forward_pre_hook(lambda _, inputs: encoded.append(inputs[0]))
    Masked(network, decoder)(images, places, 4)
    torch.testing.assert_close(encoded[0], expected[:, 1 + registers :], atol=1e-5, rtol=1e-4)
    assert not network.network.blocks._forward_pre_hooks and not network.network.norm._forward_hooks


def test_targets_and_loss_are_lightlys() -> None:
    images, places = tiny.views(0, BATCH)[0].double(), order()
    patches = patches_of(images, PATCH)
    torch.testing.assert_close(patches, patchify(images, PATCH), atol=0, rtol=0)
    predictions = torch.randn(patches.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    hidden = torch.zeros(patches.shape[:2], dtype=torch.bool).scatter(1, places[:, 4:], True)
    expected = F.mse_loss(predictions[hidden], normalize_mean_var(patches)[hidden])
    torch.testing.assert_close(reconstruction(predictions, patches, places[:, 4:]), expected, atol=1e-9, rtol=1e-9)


def test_the_decoder_is_a_plain_one() -> None:
    """Blocks of timm's, over the tokens and the mask token, each put at its place."""
    decoder = Decoder(24, 16, 2, 2, 48)
    blocks = nn.Sequential(*(TimmBlock(16, 2, qkv_bias=True, norm_layer=nn.LayerNorm) for _ in range(2)))
    blocks.load_state_dict(decoder.blocks.state_dict())
    for layer in blocks.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = 1e-6
    places, tokens = order(), torch.randn(BATCH, 4, 24, generator=torch.Generator().manual_seed(0))
    rows = decoder.mask_token.expand(BATCH, 16, 16).clone()
    for image in range(BATCH):
        for token, place in zip(tokens[image], places[image, :4], strict=True):
            rows[image, place] = decoder.embed(token)
    expected = decoder.predict(decoder.norm(blocks(rows + positions(4, 4, 16))))
    torch.testing.assert_close(decoder(tokens, places), expected, atol=1e-5, rtol=1e-4)
    assert float(decoder.mask_token.detach().std()) == pytest.approx(0.02, rel=0.5)


def test_a_step_has_the_gradient_of_the_mean_over_the_batch() -> None:
    method = made()
    network = copy.deepcopy(method.student)
    loss = method.step(batch(), Workers())
    images, places = tiny.views(0, BATCH)[0], order()
    predictions, _ = network(images, places, 4)
    expected = reconstruction(predictions, patches_of(images, PATCH), places[:, 4:])
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), atol=1e-6, rtol=0)
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
        torch.testing.assert_close(method.student.get_parameter(name).grad, parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("size", [2, 4])
def test_the_number_of_workers_does_not_show(size: int) -> None:
    alone, seen = made(), dict[int, Tensor]()
    loss = alone.step(batch(1), Workers())
    means = {name: torch.zeros_like(parameter) for name, parameter in alone.student.named_parameters()}
    losses = []
    for rank in range(size):
        worker, own = made(), Among(rank, size, seen=seen)
        losses.append(worker.step(batch(1, own), own))
        for name, parameter in worker.student.named_parameters():
            means[name] += parameter.grad / size
    torch.testing.assert_close(torch.stack(losses).mean(), loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(worker.feature_std(), alone.feature_std(), atol=1e-6, rtol=0)
    for name, parameter in alone.student.named_parameters():
        torch.testing.assert_close(means[name], parameter.grad, atol=1e-6, rtol=1e-4)


def test_three_of_four_patches_of_each_image_are_hidden_and_others_in_each_iteration() -> None:
    rows = np.concatenate([order(iteration).numpy() for iteration in range(200)])
    assert (np.sort(rows, axis=1) == np.arange(16)).all()
    assert len(np.unique(rows[:, :4], axis=0)) > 1500
    counts = np.bincount(rows[:, :4].ravel(), minlength=16)
    assert abs(counts - len(rows) / 4).max() < 4 * np.sqrt(len(rows) * 3 / 16)
    assert order(3).equal(order(3))


def pretrainer(iterations: int, backbone: int = 0, precision: str = "float32", **recipe: Any) -> Pretrainer:
    made = tiny.recipe(batch=BATCH, group=GROUP, optimizer="adamw", **recipe)
    return Pretrainer(
        made.model_copy(update={"method": "mae", "options": OPTIONS}),
        build("vit_nano", backbone),
        tiny.dataset(),
        iterations=iterations,
        image_size=tiny.SIZE,
        seed=0,
        precision=precision,
    )


@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
def test_a_resumed_stage_and_a_branch_end_bit_identical(schedule: str) -> None:
    whole = pretrainer(10, schedule=schedule)
    first = pretrainer(8, schedule="constant") if schedule == "wsd" else pretrainer(10)
    while first.iteration < 8:
        first.step()
    whole.run()
    resumed = pretrainer(10, backbone=3, schedule=schedule)
    resumed.restore(first.state())
    resumed.run()
    assert tiny.largest_difference(resumed.method.state_dict(), whole.method.state_dict()) == 0
    assert {"loss", "feature_std"} <= set(whole.curve.rows[-1])


def test_it_learns_to_predict_what_it_does_not_see() -> None:
    method, images = made(), torch.linspace(-1, 1, 16).expand(3, 16, 16).expand(BATCH, 3, 16, 16)
    optimiser = torch.optim.AdamW(method.student.parameters(), lr=3e-3)
    losses = []
    for iteration in range(40):
        one = tiny.batch(0, (images, images), GROUP, orders=MAE.views, drawn={"order": order(iteration).numpy()})
        losses.append(float(method.step(one, Workers())))
        optimiser.step()
        optimiser.zero_grad()
    assert losses[-1] < 0.3 * losses[0]


def test_bfloat16_is_the_same_training_to_its_precision() -> None:
    exact, rounded = (pretrainer(1, precision=precision).run().rows[0]["loss"] for precision in ("float32", "bfloat16"))
    assert exact != rounded == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_feature_std_tells_collapse(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    method, weight = made(), torch.ones((), requires_grad=True)
    rows = 1.0 + torch.zeros(GROUP, 96) if spread == 0 else torch.randn(BATCH, 96)
    features = iter(rows.split(GROUP) if spread else [rows] * 4)
    patches = torch.zeros(GROUP, 16, PATCH**2 * 3)
    monkeypatch.setattr(method.student, "forward", lambda *_: (patches + weight, next(features)))
    method.step(batch(), Workers())
    assert float(method.feature_std()) == pytest.approx(spread * 96**-0.5, abs=0.02)


@pytest.mark.parametrize(
    ("backbone", "size", "options", "says"),
    [
        ("resnet_small", 16, {}, "mae hides patches of a vision transformer, and the backbone is none"),
        ("torchvision/vit_b_16", 32, {}, "the backbone is none whose blocks take them alone: use vit_nano, timm/"),
        ("vit_nano", 16, {"patch": 16}, r"mae\.patch=16, but the backbone has patches of 4 px: set options=mae"),
        ("vit_nano", 4, {}, "mae cannot hide 75% of the patches of 4 px of images of 4 px"),
        ("vit_nano", 16, {"masked": 0.99}, "mae cannot hide 99% of the patches"),
        ("vit_nano", 16, {"heads": 3}, r"mae\.dim=16 is no multiple of mae\.heads=3"),
        ("vit_nano", 16, {"dim": 6}, "multiple of 4"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_trained(
    backbone: str, size: int, options: dict[str, Any], says: str, tmp_path: Path
) -> None:
    recipe = small.recipe(method="mae", options=OPTIONS | options)
    study = small.study(
        arms=("target",), recipes={"target": recipe}, backbone=backbone, image_size=size, decode_size=size
    )
    with pytest.raises(StudyError, match=says):
        prepare(study, Store(tmp_path, create=False))


def test_the_papers_defaults() -> None:
    options = MAE.options({})
    assert (options.patch, options.masked, options.dim, options.depth, options.heads) == (16, 0.75, 512, 8, 16)
    at_places = at(torch.arange(6.0).view(1, 3, 2), torch.tensor([[2, 0]]))
    assert at_places.tolist() == [[[4.0, 5.0], [0.0, 1.0]]]
