"""What a vision transformer holds for one image size or one patch size, at another, as timm converts it.

Of its position embeddings there is one per patch: at another image size their grid is resampled, bicubic and
antialiased (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.2). The embedding of a patch is a matrix over its
pixels: for another patch size it becomes the one that gives resized patches their old embedding, as nearly as there is
one (Beyer et al. 2023, FlexiViT, arXiv 2212.08013, section 3.4: "PI-resize").
"""

from __future__ import annotations

import math
import re

import torch
from torch import Size, Tensor
from torch.nn import functional as F

#: What torchvision and timm call them.
POSITIONS = ("pos_embedding", "pos_embed")
PATCHES = re.compile(r"(.*\.)?(conv_proj|patch_embed\.proj)\.weight")
#: Class, distillation and register tokens stand before the patches.
TOKENS = range(9)


def can_resample(name: str, shape: Size, wanted: Size) -> bool:
    """Whether a tensor holds what depends on the size of images or patches, and differs in that alone.

    Those are position embeddings [1, tokens + side x side, channels] of square grids, both ways, and embeddings of
    square patches [channels, 3, side, side].
    """
    if PATCHES.fullmatch(name):
        return (
            len(shape) == len(wanted) == 4
            and shape[:2] == wanted[:2]
            and _square_patch(shape)
            and _square_patch(wanted)
        )
    return (
        name.rsplit(".", 1)[-1] in POSITIONS
        and len(shape) == len(wanted) == 3
        and (shape[0], shape[2]) == (1, wanted[2])
        and _tokens(shape, wanted) is not None
    )


def resample(numbers: Tensor, wanted: Size) -> Tensor:
    """Convert a tensor of which ``can_resample`` is true to the wanted shape."""
    return _patches(numbers, wanted) if numbers.ndim == 4 else _positions(numbers, wanted)


def _positions(embeddings: Tensor, wanted: Size) -> Tensor:
    """Embeddings [1, t + s x s, c] -> [1, t + S x S, c], the t embeddings without a patch unchanged."""
    tokens = _tokens(embeddings.shape, wanted)
    assert tokens is not None
    old, new = math.isqrt(embeddings.shape[1] - tokens), math.isqrt(wanted[1] - tokens)
    grid = embeddings[:, tokens:].float().reshape(1, old, old, -1).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False)
    patches = grid.permute(0, 2, 3, 1).reshape(1, new * new, -1).to(embeddings.dtype)
    out = embeddings.new_empty(wanted)
    out[:, :tokens], out[:, tokens:] = embeddings[:, :tokens], patches
    return out


def _patches(kernel: Tensor, wanted: Size) -> Tensor:
    """[c, 3, s, s] -> [c, 3, S, S], by the pseudo-inverse of the matrix that resizes a patch of s x s to S x S."""
    old, new = kernel.shape[-2:], wanted[-2:]
    pixels = torch.eye(old.numel()).reshape(-1, 1, *old)
    resized = F.interpolate(pixels, size=new, mode="bicubic", antialias=True, align_corners=False)
    inverse = torch.linalg.pinv(resized.reshape(old.numel(), new.numel()).T)
    resampled: Tensor = kernel.float().flatten(2) @ inverse
    return resampled.reshape(wanted).to(kernel.dtype)


def _square_patch(shape: Size) -> bool:
    return shape[2] == shape[3]


def _tokens(shape: Size, wanted: Size) -> int | None:
    """The number of embeddings without a patch; None if the others do not form two square grids."""
    fitting = (t for t in TOKENS if _square(shape[1] - t) and _square(wanted[1] - t))
    return next(fitting, None)


def _square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
