"""MAE: a vision transformer sees a quarter of an image's patches, and a small decoder predicts the others.

He et al., "Masked Autoencoders Are Scalable Vision Learners" (arXiv 2111.06377). Defaults are the paper's: three of
four patches masked, a decoder of eight blocks of width 512, and each patch normalised by its own mean and deviation
before it is predicted (section 4.1, Table 1d). The decoder gets the patches alone, without class or register tokens.

One view of each image. The paper crops and flips and found that colour jitter does not help (Table 1e): policy
``crop_only`` is nearest to it.
"""

from __future__ import annotations

from typing import Annotated, Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import stream
from hpt_ray.core.values import Frozen
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Method, initialised
from hpt_ray.training.transformer import Block, positions
from hpt_ray.training.workers import Workers

Count = Annotated[int, Field(gt=0)]


def patches_of(images: Tensor, patch: int) -> Tensor:
    """Images [n, C, S, S] -> their patches [n, (S / patch)^2, patch^2 C], row by row, of a patch the channels last."""
    n, channels, side, _ = images.shape
    count = side // patch
    parts = images.reshape(n, channels, count, patch, count, patch)
    return parts.permute(0, 2, 4, 3, 5, 1).reshape(n, count**2, patch**2 * channels)


def reconstruction(predictions: Tensor, patches: Tensor, hidden: Tensor) -> Tensor:
    """The mean squared error of the hidden patches, each normalised (arXiv 2111.06377, section 3).

    Args:
        predictions, patches: [n, t, d]. hidden: the places [n, h] of those that the encoder did not see.
    """
    targets = (patches - patches.mean(dim=2, keepdim=True)) / (patches.var(dim=2, keepdim=True) + 1e-6).sqrt()
    return at((predictions - targets).square(), hidden).mean()


def at(tokens: Tensor, places: Tensor) -> Tensor:
    """Some of the tokens [n, t, d] of each image, by their places [n, k]: [n, k, d]."""
    return tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[2]))


class Decoder(nn.Module):
    """Tokens [n, k, width] of some patches -> predictions [n, t, outputs] of all of them."""

    def __init__(self, width: int, dim: int, depth: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, dim)
        self.mask_token = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.predict = nn.Linear(dim, outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor, order: Tensor) -> Tensor:
        """
        Args:
            order: the places [n, t] of all patches, those of the tokens first.
        """
        embedded = self.embed(tokens)
        n, count = order.shape
        masked = self.mask_token.to(embedded.dtype).expand(n, count - tokens.shape[1], -1)
        placed = at(torch.cat([embedded, masked], dim=1), order.argsort(dim=1))
        side = round(count**0.5)
        placed = placed + positions(side, side, placed.shape[2], placed.device)
        predictions: Tensor = self.predict(self.norm(self.blocks(placed)))
        return predictions


class Masked(nn.Module):
    """A vision transformer that sees some patches of each image, and the decoder that predicts all of them."""

    def __init__(self, backbone: Backbone, decoder: Decoder) -> None:
        super().__init__()
        self.backbone = backbone
        self.decoder = decoder

    def forward(self, images: Tensor, order: Tensor, seen: int) -> tuple[Tensor, Tensor]:
        """Images [n, C, S, S] and the places [n, t] of their patches -> predictions [n, t, d], features [n, dim].

        Args:
            seen: so many of the places are those of the patches that the backbone sees.
        """
        blocks, norm = parts(self.backbone)[1:]
        encoded: list[Tensor] = []

        def hide(_: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
            others = inputs[0].shape[1] - order.shape[1]  # class and register tokens come first
            visible = at(inputs[0][:, others:], order[:, :seen])
            return torch.cat([inputs[0][:, :others], visible], dim=1)

        def note(_: nn.Module, __: Any, output: Tensor) -> None:
            encoded.append(output[:, -seen:])

        hooks = [blocks.register_forward_pre_hook(hide), norm.register_forward_hook(note)]
        try:
            features: Tensor = self.backbone(images)
        finally:
            for hook in hooks:
                hook.remove()
        return self.decoder(encoded[0], order), features


def parts(backbone: nn.Module) -> tuple[nn.Conv2d, nn.Module, nn.Module]:
    """A vision transformer's patch embedding, its blocks and its last norm.

    Raises:
        StudyError: for any other network.
    """
    named = dict(backbone.named_modules())
    prefix = "network." if "network" in named else ""
    embedding, blocks, norm = (named.get(prefix + name) for name in ("patch_embed.proj", "blocks", "norm"))
    pooling = [named[prefix + name] for name in ("fc_norm", "attn_pool") if prefix + name in named]
    after = any(True for layer in pooling for _ in layer.parameters())
    # Other blocks are given more than tokens, such as positions that are relative to each other.
    if not isinstance(embedding, nn.Conv2d) or not isinstance(blocks, nn.Sequential) or norm is None or after:
        raise StudyError(
            "mae hides patches of a vision transformer, and the backbone is none whose blocks take them alone: use "
            "vit_nano, timm/vit_small_patch16_224 or the like, or another method."
        )
    return embedding, blocks, norm


class MAE(Method):
    """One network with a decoder, trained by gradient."""

    views = ("batch",)
    of_features = False

    class Options(Frozen):
        patch: Count = 16
        masked: Annotated[float, Field(gt=0, lt=1)] = 0.75
        dim: Annotated[int, Field(gt=0, multiple_of=4)] = 512
        depth: Count = 8
        heads: Count = 16

    def __init__(self, backbone: Backbone, options: Options, seed: int, classes: int) -> None:
        super().__init__(backbone, options, seed, classes)
        self.patch, self.masked = options.patch, options.masked
        embedding = parts(backbone)[0]
        outputs = options.patch**2 * embedding.in_channels
        with initialised(seed, "head"):
            decoder = Decoder(embedding.out_channels, options.dim, options.depth, options.heads, outputs)
        self.student = Masked(backbone, decoder)
        self._latest = torch.empty(0, backbone.dim)

    @classmethod
    def check(cls, options: Options, batch: int) -> None:
        if options.dim % options.heads:
            raise StudyError(f"mae.dim={options.dim} is no multiple of mae.heads={options.heads}: set another of them.")

    @classmethod
    def check_backbone(cls, options: Options, backbone: Backbone, image_size: int) -> None:
        sides = parts(backbone)[0].kernel_size
        if sides != (options.patch, options.patch):
            raise StudyError(
                f"mae.patch={options.patch}, but the backbone has patches of {sides[0]} px: set "
                f"options=mae.patch={sides[0]}."
            )
        count = (image_size // options.patch) ** 2
        if image_size % options.patch or not 0 < round((1 - options.masked) * count) < count:
            raise StudyError(
                f"mae cannot hide {options.masked:.0%} of the patches of {options.patch} px of images of {image_size} "
                "px: set another image_size, a multiple of the patch."
            )

    @classmethod
    def draws(cls, options: Options, seed: int, iteration: int, batch: int, image_size: int) -> dict[str, NDArray[Any]]:
        """The places of each image's patches [batch, patches] in a random order: those that are seen come first."""
        count = (image_size // options.patch) ** 2
        return {"order": stream(seed, "mask", iteration).random((batch, count)).argsort(axis=1)}

    def step(self, batch: Batch, workers: Workers) -> Tensor:
        share = workers.share(batch.groups)
        orders = torch.split(batch.drawn["order"], batch.group)[share.start : share.stop]
        total, projections = torch.zeros((), device=workers.device), []
        for images, order, exchange in zip(batch.view(0), orders, self.exchanges(len(share)), strict=True):
            seen = round((1 - self.masked) * order.shape[1])
            with exchange:
                predictions, features = self.student(images, order, seen)
                patches = patches_of(images.float(), self.patch)
                loss = reconstruction(predictions.float(), patches, order[:, seen:]) / len(share)
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
            projections.append(F.normalize(features.detach().float(), dim=1))
        self._latest = workers.gather(torch.cat(projections))
        return total

    def feature_std(self) -> Tensor:
        return self._latest.std(dim=0).mean()


method = MAE
