from __future__ import annotations

import pytest
import torch
from torch import Size, Tensor, nn

from hpt_ray.training.backbone import Backbone, build
from hpt_ray.training.weights import checkpoints, resampling


@pytest.mark.parametrize(("tokens", "old", "new"), [(1, 14, 4), (1, 7, 14), (2, 14, 12), (5, 16, 9)])
def test_timm_resamples_the_same(tokens: int, old: int, new: int) -> None:
    layers = pytest.importorskip("timm.layers")
    given = torch.randn(1, tokens + old * old, 6)
    wanted = Size((1, tokens + new * new, 6))
    assert resampling.can_resample("pos_embed", given.shape, wanted)
    expected = layers.resample_abs_pos_embed(given, [new, new], num_prefix_tokens=tokens)
    torch.testing.assert_close(resampling.resample(given, wanted), expected)


def test_a_plane_stays_a_plane_and_the_tokens_stay_themselves() -> None:
    """Bicubic interpolation reproduces a linear function, away from the border, at the centres of the patches."""
    old, new = 12, 24
    down = torch.arange(old).float()[:, None].expand(old, old)
    given = torch.cat([torch.full((1, 1, 1), 7.0), down.reshape(1, -1, 1)], dim=1)
    made = resampling.resample(given, Size((1, 1 + new * new, 1)))
    assert made[0, 0, 0] == 7
    centres = (torch.arange(new) + 0.5) * old / new - 0.5
    grid = made[0, 1:, 0].reshape(new, new)
    torch.testing.assert_close(grid[4:-4], centres[4:-4, None].expand(new - 8, new), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("encoder.weight", (1, 197, 8), (1, 17, 8)),
        ("pos_embed", (1, 197, 8), (1, 17, 9)),
        ("pos_embed", (197, 8), (17, 8)),
        ("pos_embed", (2, 197, 8), (2, 17, 8)),
        ("pos_embed", (1, 198, 8), (1, 17, 8)),  # one token, or none
    ],
)
def test_what_is_no_grid_is_left_alone(name: str, given: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert not resampling.can_resample(name, Size(given), Size(wanted))


class Positions(nn.Module):
    """Adds an embedding to every patch of an image of ``side`` x ``side`` patches, and pools."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + side * side, 4))
        self.layers = nn.Sequential(*[nn.Linear(4, 4) for _ in range(3)])

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.layers(self.pos_embed + x.mean()).mean(dim=1)
        return pooled


def test_a_checkpoint_of_another_image_size_loads() -> None:
    large, small = Backbone({"vit": Positions(8)}, dim=4), Backbone({"vit": Positions(4)}, dim=4)
    state = {key: value.clone() for key, value in large.state_dict().items()}
    audit = checkpoints.load(small, state, threshold=1.0)
    assert audit.resampled == {"vit.pos_embed": "vit.pos_embed"}
    assert "vit.pos_embed" not in audit.matched
    own = small.state_dict()
    torch.testing.assert_close(own["vit.pos_embed"], resampling.resample(state["vit.pos_embed"], Size((1, 17, 4))))
    assert torch.equal(own["vit.layers.2.weight"], state["vit.layers.2.weight"])


def test_timms_transformer_sees_what_timm_would_see() -> None:
    """timm's own way to another image size is the reference."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    large = timm.create_model("test_vit", num_classes=0)
    reference = timm.create_model("test_vit", num_classes=0, img_size=96)
    filtered = timm.models.vision_transformer.checkpoint_filter_fn(dict(large.state_dict()), reference)
    reference.load_state_dict(filtered)
    backbone = build("timm/test_vit", 0, 96)
    checkpoints.load(backbone, dict(large.state_dict()), threshold=1.0)
    x = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(backbone.eval()(x), reference.eval()(x))
