"""Position embeddings of a vision transformer at another image size.

A transformer holds one embedding per patch, so its checkpoint fits one image size. At another size the grid of
embeddings is resampled (Dosovitskiy et al. 2021, arXiv 2010.11929, section 3.2), bicubic and antialiased, as timm does.
"""

from __future__ import annotations

import math

from torch import Size, Tensor
from torch.nn import functional as F

#: What torchvision and timm (and DINO and MAE, as timm) call it.
NAMES = ("pos_embedding", "pos_embed")
#: Class, distillation and register tokens stand before the patches.
TOKENS = range(9)


def can_resample(name: str, shape: Size, wanted: Size) -> bool:
    """Whether a tensor holds position embeddings [1, tokens + side x side, channels] of square grids, both ways."""
    return (
        name.rsplit(".", 1)[-1] in NAMES
        and len(shape) == len(wanted) == 3
        and (shape[0], shape[2]) == (1, wanted[2])
        and _tokens(shape, wanted) is not None
    )


def resample(embeddings: Tensor, wanted: Size) -> Tensor:
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


def _tokens(shape: Size, wanted: Size) -> int | None:
    """The number of embeddings without a patch; None if the others do not form two square grids."""
    fitting = (t for t in TOKENS if _square(shape[1] - t) and _square(wanted[1] - t))
    return next(fitting, None)


def _square(count: int) -> bool:
    return count > 0 and math.isqrt(count) ** 2 == count
