"""A small vision transformer for 32 px: four blocks of width 96 on patches of 4 px, 96 features.

Positions are fixed sines and cosines in two dimensions, so that images of any size fit; features are the mean of the
patches.
"""

from __future__ import annotations

from torch import Tensor, nn

from hpt_ray.training.backbone import Backbone
from hpt_ray.training.transformer import Block, positions

WIDTH, DEPTH, HEADS, PATCH = 96, 4, 3, 4


class PatchEmbed(nn.Module):
    """[n, 3, S, S] -> [n, (S / PATCH)^2, WIDTH]: each patch by one linear map, and where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        patches: Tensor = self.proj(x)
        rows, columns = patches.shape[-2:]
        return patches.flatten(2).transpose(1, 2) + positions(rows, columns, WIDTH, x.device)


class MeanOfPatches(nn.Module):
    """[n, t, d] -> [n, d]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


def backbone() -> Backbone:
    """[n, 3, S, S] -> [n, 96], about 0.45 million parameters; S is a multiple of 4."""
    net = Backbone(
        {
            "patch_embed": PatchEmbed(),
            "blocks": nn.Sequential(*(Block(WIDTH, HEADS) for _ in range(DEPTH))),
            "norm": nn.LayerNorm(WIDTH, eps=1e-6),
            "pool": MeanOfPatches(),
        },
        dim=WIDTH,
    )
    for layer in net.modules():
        if isinstance(layer, nn.Linear):  # as timm and DINO initialise theirs
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
    return net
