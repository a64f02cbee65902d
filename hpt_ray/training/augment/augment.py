"""A batch of views at once, on the device where the images are, with parameters per image.

Crop, antialiased resize and flip are two matrices per image, the blur two more (``resample``); the colour operations
are an affine map before and one after the hue shift (``color``), with the channel normalisation folded into the last.
``reference`` makes the same views through torchvision's operators.

Faithfulness to the reference. Every operator alone equals torchvision's to float precision (1e-5 on [0, 1] at 32 px,
3e-5 at 224 px), and so does a whole view in which nothing leaves [0, 1]. One difference remains: torchvision clamps to
[0, 1] after every colour operation, this before the hue shift and at the end. Mean absolute difference of whole views
of real photographs under the baseline policy, on [0, 1], where a grey level is 0.0039: 0.0005 (CIFAR-10, 32 px),
0.0011 (PACS photo, 64 to 32 px), 0.0010 (RSSCN7, 256 to 224 px); the same to 0.0001 for a hue of 0.1 and 0.4. Unlike
torchvision on uint8 images, nothing is rounded to 8 bits between operators.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpt_ray.spec.policy import GaussianBlur, Policy
from hpt_ray.training.augment import color, resample
from hpt_ray.training.augment.draws import HUE, SATURATION, Draws
from hpt_ray.training.augment.transfer import Parcel

# Pixels that a CPU works on at once: they stay in its cache, and malloc does not map and unmap them at every use.
_CHUNK = 64 * 32 * 32


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
        images: uint8 [n, C, H, W], on any device; nothing here waits for the device.
        policy: of other than three channels one ``without_colour``.
        draws: n rows, from ``draw`` with the same policy and this H and W.
        size: the side S of a view, in pixels.
        mean, std: per channel, on [0, 1].

    Returns:
        [n, C, S, S] in ``dtype`` (computed in float32), channels_last. A row depends on its own image and draws alone.
    """
    rows = parameters(draws, policy, size, (images.shape[2], images.shape[3]), mean, std)
    return render(images, Parcel(rows, images.device, None).opened(), size, dtype)


def kernel_width(blur: GaussianBlur, size: int) -> int:
    """Pixels of the blur's filter: a share of the view's side, made odd, at least 3."""
    return max(3, int(blur.kernel * size) // 2 * 2 + 1)


def parameters(
    draws: Draws, policy: Policy, size: int, shape: tuple[int, int] | None, mean: Sequence[float], std: Sequence[float]
) -> dict[str, NDArray[np.float32]]:
    """What ``render`` needs beside the images, one row per view; only for what the policy has.

    Args:
        shape: height and width of the images; None if they are crops already, resized and flipped.
    """
    jitter, blur = policy.color_jitter, policy.blur
    rows: dict[str, NDArray[Any]] = {}
    if shape is not None:
        down = resample.axis(draws.top, draws.height, shape[0], size)
        across = resample.axis(draws.left, draws.width, shape[1], size, draws.flip)
        rows = {f"down {i}": part for i, part in enumerate(down)}
        rows |= {f"across {i}": part for i, part in enumerate(across)}
    factors, channels = np.stack([draws.brightness, draws.contrast, draws.saturation]), len(mean)
    if jitter and jitter.hue:
        rank = draws.order.argsort(axis=1).T
        early = rank[:HUE] < rank[HUE]
        rows["early pixel"], rows["early mean"] = color.mixture(*np.where(early, factors, 1))
        rows["hue"] = color.distances(draws.hue)
        factors = np.where(early, 1, factors)
    factors[SATURATION, draws.gray] = 0
    rows["pixel"], rows["mean"] = color.mixture(*factors, channels=channels)
    if not (jitter and jitter.contrast):
        rows = {name: row for name, row in rows.items() if not name.endswith("mean")}
    if blur:
        rows["taps"] = resample.taps(draws.sigma, kernel_width(blur, size) // 2)
    scale = 1 / np.asarray(std, np.float64)[:, None]
    low = np.broadcast_to(-np.asarray(mean, np.float64)[:, None] * scale, (len(draws), channels, 1))
    rows |= {"low": low, "high": low + scale}
    rows |= {name: rows[name] * scale for name in ("pixel", "mean") if name in rows}
    return {name: row.astype(np.float32) for name, row in rows.items()}


def render(images: Tensor, rows: Mapping[str, Tensor], size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The views of images, or of crops [n, C, S, S] float32 on [0, 1], by their ``parameters``: see ``views``."""
    n, channels, height, width = images.shape
    device = images.device
    out = torch.empty((n, channels, size, size), dtype=dtype, device=device, memory_format=torch.channels_last)
    step = max(1, _CHUNK // (size * max(height, width))) if device.type == "cpu" else max(1, n)
    for part in (slice(start, start + step) for start in range(0, n, step)):
        with torch.autocast(device.type, enabled=False):  # in bfloat16 a view would be wrong by up to seven grey levels
            view = _render(images[part], {name: row[part] for name, row in rows.items()}, size)
        # Cast, then permute: changing type and layout in one copy is slow on CPUs.
        out[part] = view.to(dtype)
    return out


def _render(images: Tensor, rows: Mapping[str, Tensor], size: int) -> Tensor:
    """float32 [n, C, S, S], contiguous, in the order crop, jitter, gray, blur, flip (which commutes with the rest)."""
    n, channels, view = len(images), images.shape[1], images
    if "down 0" in rows:
        down = resample.resize(rows["down 0"], rows["down 1"], rows["down 2"], total=1 / 255)
        across = resample.resize(rows["across 0"], rows["across 1"], rows["across 2"])
        view = _filter(images.to(torch.float32), down, across)
    view = view.view(n, channels, size * size)
    if "hue" in rows:
        view = color.mix(view, rows["early pixel"], rows.get("early mean")).clamp_(0, 1)
        view = color.shift_hue(view, rows["hue"])
    view = color.mix(view, rows["pixel"], rows.get("mean"), rows["low"])
    # maximum and minimum, because clamp with a bound per channel is slow on CPUs.
    view = torch.minimum(torch.maximum(view, rows["low"], out=view), rows["high"], out=view)
    view = view.view(n, channels, size, size)
    if "taps" in rows:
        blur = resample.filters(rows["taps"], size)
        view = _filter(view, blur, blur)
    return view


def _filter(view: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Rows [n, S, H] and columns [n, S, W] applied to [n, C, H, W]: [n, C, S, S]."""
    n, channels, height, width = view.shape
    narrow = view.view(n, channels * height, width).bmm(across.transpose(1, 2))
    return torch.matmul(down[:, None], narrow.view(n, channels, height, across.shape[1]))
