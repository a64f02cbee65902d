"""A small vision transformer for 32 px: four blocks of width 96 on patches of 4 px, 96 features.

The block is that of Dosovitskiy et al. (arXiv 2010.11929) under timm's names, written out because timm is an extra and
takes every worker seconds to import. Positions are fixed sines and cosines in two dimensions, as MoCo v3 has them (Chen
et al. 2021, arXiv 2104.02057, section 4), so that images of any size fit; features are the mean of the patches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpt_ray.training.backbone import Backbone

WIDTH, DEPTH, HEADS, PATCH = 96, 4, 3, 4


class PatchEmbed(nn.Module):
    """[n, 3, S, S] -> [n, (S / PATCH)^2, WIDTH]: each patch by one linear map, and where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)

    def forward(self, x: Tensor) -> Tensor:
        patches: Tensor = self.proj(x)
        rows, columns = patches.shape[-2:]
        return patches.flatten(2).transpose(1, 2) + positions(rows, columns, WIDTH).to(x.device)


class Attention(nn.Module):
    """[n, t, WIDTH] -> [n, t, WIDTH]: softmax attention in HEADS heads."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        queries, keys, values = self.qkv(x).view(n, tokens, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        # Written out: torch's fused attention adds gradients up in an order that changes from run to run on a GPU.
        scores = (queries @ keys.transpose(-2, -1) * (width // HEADS) ** -0.5).softmax(dim=-1)
        mixed: Tensor = self.proj((scores @ values).transpose(1, 2).reshape(n, tokens, width))
        return mixed


class Mlp(nn.Module):
    """[n, t, WIDTH] -> [n, t, WIDTH]: one hidden layer of four times the width."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return mixed


class Block(nn.Module):
    """Attention and MLP, each after a layer norm and beside a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6), nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn, self.mlp = Attention(), Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


class MeanOfPatches(nn.Module):
    """[n, t, d] -> [n, d]."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=1)


def positions(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines [1, rows x columns, width] of each patch's column and row, a quarter of the width each.

    The frequencies fall from 1 to 1/10,000 of a turn per patch times 2 pi, as in MoCo v3's ``build_2d_sincos``.
    """
    steps = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float32) / (width // 4))
    down, across = torch.meshgrid(torch.arange(rows).float(), torch.arange(columns).float(), indexing="ij")
    angles = [place.flatten()[:, None] * steps for place in (across, down)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)[None]


def backbone() -> Backbone:
    """[n, 3, S, S] -> [n, 96], about 0.45 million parameters; S is a multiple of 4."""
    net = Backbone(
        {
            "patch_embed": PatchEmbed(),
            "blocks": nn.Sequential(*(Block() for _ in range(DEPTH))),
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
