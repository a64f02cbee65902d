"""The block of vision transformers, and where their patches are.

The block is that of Dosovitskiy et al. (arXiv 2010.11929) under timm's names, written out because timm is an extra and
takes every worker seconds to import. Positions are fixed sines and cosines in two dimensions, as MoCo v3 has them (Chen
et al. 2021, arXiv 2104.02057, section 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """[n, t, width] -> [n, t, width]: softmax attention in several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, width = x.shape
        queries, keys, values = self.qkv(x).view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        # Written out: torch's fused attention adds gradients up in an order that changes from run to run on a GPU.
        scores = (queries @ keys.transpose(-2, -1) * (width // self.heads) ** -0.5).softmax(dim=-1)
        mixed: Tensor = self.proj((scores @ values).transpose(1, 2).reshape(n, tokens, width))
        return mixed


class Mlp(nn.Module):
    """[n, t, width] -> [n, t, width]: one hidden layer of four times the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.fc2(nn.functional.gelu(self.fc1(x)))
        return mixed


class Block(nn.Module):
    """Attention and MLP, each after a layer norm and beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn, self.mlp = Attention(width, heads), Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        mixed: Tensor = x + self.mlp(self.norm2(x))
        return mixed


def positions(rows: int, columns: int, width: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines [1, rows x columns, width] of each patch's column and row, a quarter of the width each.

    The frequencies fall from 1 to 1/10,000 of a turn per patch times 2 pi, as in MoCo v3's ``build_2d_sincos``. They
    are computed on the device: a copy from the host would have each step wait.
    """
    steps = 10_000.0 ** (-torch.arange(width // 4, dtype=torch.float32, device=device) / (width // 4))
    sides = (torch.arange(side, dtype=torch.float32, device=device) for side in (rows, columns))
    down, across = torch.meshgrid(*sides, indexing="ij")
    angles = [place.flatten()[:, None] * steps for place in (across, down)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], dim=1)[None]
