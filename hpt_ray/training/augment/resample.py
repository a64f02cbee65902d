"""Crop, antialiased resize, flip and Gaussian blur as matrices: one for rows and one for columns of an image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from hpt_ray.training.augment.draws import Flags, Floats, Integers
from hpt_ray.training.augment.transfer import to_device


def axis(start: Integers, length: Integers, full: int, size: int, flip: Flags | None = None) -> list[Floats | Flags]:
    """What ``resize`` needs to bring boxes [start, start + length) of an axis of ``full`` pixels to ``size`` pixels.

    Returns positions of pixels [n, 1, full] and centres of outputs [n, size, 1], in half widths of the triangle, and
    which pixels are inside of the box [n, 1, full]. A flipped axis has its centres reversed.
    """
    scale = (length / size)[:, None]
    support = np.maximum(scale, 1)
    centre = start[:, None] + scale * (np.arange(size) + 0.5)
    if flip is not None:
        centre = np.where(flip[:, None], centre[:, ::-1], centre)
    pixel = np.arange(full)
    inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])
    return [((pixel + 0.5) / support)[:, None], (centre / support)[:, :, None], inside[:, None]]


def resize(pixel: Tensor, centre: Tensor, inside: Tensor, total: float = 1.0) -> Tensor:
    """[n, size, full] weights of antialiased bilinear interpolation, each row of sum ``total``.

    A triangle of half width max(1, scale) about the output's centre, cut at the box: torchvision's ``resized_crop``
    with ``antialias=True``.
    """
    weight = (pixel - centre).abs_().neg_().add_(1)
    weight = torch.minimum(weight, inside, out=weight).clamp_(min=0)
    return weight.mul_(total / weight.sum(2, keepdim=True))


def taps(sigma: Floats, radius: int) -> Floats:
    """[n, radius + 1] weights of a Gaussian filter at distance 0, 1, ...; both sides together have the sum 1."""
    distance = np.arange(radius + 1) / np.maximum(sigma, 1e-6)[:, None]  # no blur (0) puts all weight at distance 0
    weight: Floats = np.exp(-0.5 * distance**2)
    weight /= 2 * weight.sum(1, keepdims=True) - 1
    return weight


def filters(weights: Tensor, size: int) -> Tensor:
    """Taps [n, radius + 1] -> matrices [n, size, size] of the filter with reflected borders."""
    return (weights @ _places(size, weights.shape[1] - 1, weights.device)).view(len(weights), size, size)


@lru_cache(maxsize=8)
def _places(size: int, radius: int, device: torch.device) -> Tensor:
    """[radius + 1, size * size]: where the tap of each distance stands in the matrix."""
    places = np.zeros((radius + 1, size, size), np.float32)
    row = np.arange(size)
    for shift in range(-radius, radius + 1):
        at = np.abs(row + shift)
        places[abs(shift), row, np.where(at < size, at, 2 * (size - 1) - at)] += 1
    return to_device(places, device).view(radius + 1, size * size)
