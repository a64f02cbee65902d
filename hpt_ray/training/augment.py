"""A batch of views at once, on the device where the images are: every operator of a policy as a matrix per image.

Crop, antialiased resize, flip and Gaussian blur are linear and separable: two matrices per image, rows Wy [S, H] and
columns Wx [S, W]. The colour operations are affine in the pixel's colour x and the view's mean colour m (which the
contrast needs): A x + B m, two 3 x 3 matrices. Spatial filters whose rows sum to 1 commute with affine colour maps,
so a view is

    clamp(A (Wy image Wx^T) + B m + c)

with the channel normalisation folded into A, B, c and the bounds of the clamp. ``reference.py`` has the same views
through torchvision's operators.

Faithfulness against that reference, on [0, 1]. Resize, flip, blur, brightness, contrast, saturation and grayscale are
equal to float precision (1e-5) as long as no value leaves [0, 1] between operations. Two differences remain:

- torchvision clamps after every colour operation, this clamps once, at the end;
- torchvision shifts the hue in HSV, which is only piecewise linear; here the hue is a rotation about the grey axis,
  equal to it at thirds of a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpt_ray.policy import GaussianBlur, Policy
from hpt_ray.training.draws import BRIGHTNESS, CONTRAST, HUE, SATURATION, Draws, Flags, Floats, Integers

#: torchvision's weights of luminance (``rgb_to_grayscale``), which sum to 0.9999
LUMINANCE = np.array([0.2989, 0.587, 0.114])

# Pixels that a CPU works on at once: what stays in its cache, and below what malloc maps and unmaps at each use.
_CHUNK = 32 * 32 * 32


def views(
    images: Tensor,
    draws: Draws,
    policy: Policy,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    *,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """One normalised view of each image.

    Args:
        images: uint8 [n, 3, H, W], on any device; nothing here waits for the device.
        draws: n rows, from ``draw`` with the same policy and this H and W.
        size: the side S of a view, in pixels.
        mean, std: per channel, on [0, 1].

    Returns:
        [n, 3, S, S] in ``dtype`` (computed in float32), channels_last. A row depends on its own image and draws alone.
    """
    n, _, height, width = images.shape
    blur, device = policy.blur, images.device
    scale = 1 / np.asarray(std, np.float64)[:, None]
    low = -np.asarray(mean, np.float64)[:, None] * scale
    parameters: list[NDArray[Any]] = [matrix * (scale / 255) for matrix in color_matrices(draws)]
    parameters += _axis(draws.top, draws.height, size, height)
    parameters += _axis(draws.left, draws.width, size, width, draws.flip)
    if blur:
        parameters.append(_taps(draws.sigma, kernel_width(blur, size) // 2))
    bounds, *rows = _to_device([np.stack([low, low + scale]), *parameters], device)

    out = torch.empty((n, 3, size, size), dtype=dtype, device=device, memory_format=torch.channels_last)
    step = max(1, _CHUNK // max(height * width, size * size)) if device.type == "cpu" else max(1, n)
    for part in (slice(start, start + step) for start in range(0, n, step)):
        # Cast, then permute: copying to another type and another layout at once is slow on CPUs.
        out[part] = _render(images[part], [row[part] for row in rows], bounds, policy, size).to(dtype)
    return out


def kernel_width(blur: GaussianBlur, size: int) -> int:
    """Pixels of the blur's filter: a share of the view's side, made odd, at least 3."""
    return max(3, int(blur.kernel * size) // 2 * 2 + 1)


def color_matrices(draws: Draws) -> tuple[Floats, Floats]:
    """A and B, each [n, 3, 3]: the colour operations turn a pixel x of a view of mean colour m into A x + B m.

    Brightness f is f x; contrast is f x + (1 - f) luminance(mean); saturation is f x + (1 - f) luminance(x); the hue
    is ``hue_rotation``; grayscale is luminance(x). The mean that the contrast needs is that of the view at its place
    in the order, (A + B) m.
    """
    n = len(draws)
    operations = np.zeros((n, 4, 3, 3))
    for operation, factor in ((BRIGHTNESS, draws.brightness), (CONTRAST, draws.contrast), (SATURATION, draws.saturation)):
        operations[:, operation] = factor[:, None, None] * np.eye(3)
    operations[:, SATURATION] += (1 - draws.saturation)[:, None, None] * LUMINANCE
    operations[:, HUE] = hue_rotation(draws.hue)
    operations = operations[np.arange(n)[:, None], draws.order]
    towards_mean = np.where(draws.order == CONTRAST, 1 - draws.contrast[:, None], 0)
    both = np.zeros((n, 3, 6))  # A and B side by side
    both[:, :, :3] = np.eye(3)
    for place in range(4):
        luminance_of_mean = LUMINANCE @ (both[:, :, :3] + both[:, :, 3:])
        both = operations[:, place] @ both
        both[:, :, 3:] += (towards_mean[:, place, None] * luminance_of_mean)[:, None]
    both[draws.gray] = (LUMINANCE @ both[draws.gray])[:, None]
    return both[:, :, :3], both[:, :, 3:]


def hue_rotation(turns: Floats) -> Floats:
    """[n] turns -> [n, 3, 3] rotations of colour about the grey axis (Rodrigues' formula)."""
    angle = (2 * np.pi * turns)[:, None, None]
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(3)
    return np.cos(angle) * np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) / 3


def _render(images: Tensor, rows: Sequence[Tensor], bounds: Tensor, policy: Policy, size: int) -> Tensor:
    """float32 [n, 3, S, S], contiguous, from device-side parameters with one row per image."""
    n, _, height, width = images.shape
    color, color_of_mean, *axes = rows
    down, across = _resize(*axes[:3]), _resize(*axes[3:6])
    pixels = images.to(torch.float32)
    offset = bounds[0]
    if policy.color_jitter and policy.color_jitter.contrast:
        mean = (pixels * across.mean(1)[:, None, None]).sum(3).mul_(down.mean(1)[:, None]).sum(2, keepdim=True)
        offset = torch.baddbmm(offset, color_of_mean, mean)
    if policy.blur:
        radius = kernel_width(policy.blur, size) // 2
        filters = (axes[6] @ _reflecting(size, radius, images.device)).view(n, size, size)
        down, across = filters.bmm(down), filters.bmm(across)
    narrow = pixels.view(n, 3 * height, width).bmm(across.transpose(1, 2)).view(n, 3, height, size)
    view = torch.matmul(down[:, None], narrow).view(n, 3, size * size)
    # maximum and minimum, because clamp with a bound per channel is slow on CPUs.
    view = color.bmm(view).add_(offset)
    view = torch.minimum(torch.maximum(view, bounds[0], out=view), bounds[1], out=view)
    return view.view(n, 3, size, size)


def _axis(
    start: Integers, length: Integers, size: int, full: int, flip: Flags | None = None
) -> tuple[Floats, Floats, Flags]:
    """What ``_resize`` needs for one axis, drawn box [start, start + length) of ``full`` pixels to ``size`` pixels.

    Returns the pixels' positions [n, 1, full] and the outputs' centres [n, size, 1], both in units of the triangle's
    half width, and which pixels are inside of the box [n, 1, full]. A flipped axis has its centres reversed.
    """
    scale = (length / size)[:, None]
    support = np.maximum(scale, 1)
    centre = start[:, None] + scale * (np.arange(size) + 0.5)
    if flip is not None:
        centre = np.where(flip[:, None], centre[:, ::-1], centre)
    pixel = np.arange(full)
    inside = (pixel >= start[:, None]) & (pixel < (start + length)[:, None])
    return ((pixel + 0.5) / support)[:, None], (centre / support)[:, :, None], inside[:, None]


def _resize(pixel: Tensor, centre: Tensor, inside: Tensor) -> Tensor:
    """[n, size, full] weights of antialiased bilinear interpolation: a triangle cut at the box, with rows of sum 1."""
    weight = (pixel - centre).abs_().neg_().add_(1)
    weight = torch.minimum(weight, inside, out=weight).clamp_(min=0)
    return weight.div_(weight.sum(2, keepdim=True))


def _taps(sigma: Floats, radius: int) -> Floats:
    """[n, radius + 1] weights of a Gaussian filter at distance 0, 1, ..., which sum to 1 over the filter."""
    distance = np.arange(radius + 1) / np.maximum(sigma, 1e-6)[:, None]  # no blur (0) is all weight at distance 0
    taps = np.exp(-0.5 * distance**2)
    weights: Floats = taps / (2 * taps.sum(1, keepdims=True) - 1)
    return weights


@lru_cache(maxsize=8)
def _reflecting(size: int, radius: int, device: torch.device) -> Tensor:
    """[radius + 1, S * S]: where the tap of each distance stands in the blur's matrix, borders reflected."""
    places = np.zeros((radius + 1, size, size), np.float32)
    row = np.arange(size)
    for shift in range(-radius, radius + 1):
        at = np.abs(row + shift)
        places[abs(shift), row, np.where(at < size, at, 2 * (size - 1) - at)] += 1  # each row once per shift
    return torch.from_numpy(places).view(radius + 1, size * size).to(device)


def _to_device(arrays: Sequence[NDArray[Any]], device: torch.device) -> list[Tensor]:
    """float32 copies of all arrays in one transfer, which a GPU makes without waiting."""
    flat = torch.from_numpy(np.concatenate([array.ravel() for array in arrays], dtype=np.float32, casting="unsafe"))
    if device.type == "cuda":
        flat = flat.pin_memory()
    parts = torch.split(flat.to(device, non_blocking=True), [array.size for array in arrays])
    return [part.view(array.shape) for part, array in zip(parts, arrays, strict=True)]
