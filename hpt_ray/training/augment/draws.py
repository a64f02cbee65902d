"""The random parameters of views, drawn on the host: the same on every device and for any number of workers.

The distributions are those of torchvision's ``RandomResizedCrop``, ``ColorJitter``, ``RandomGrayscale``,
``GaussianBlur`` and ``RandomHorizontalFlip``. Each image consumes one row of uniform numbers of a fixed width, in
which every operator owns its columns (common random numbers): leaving an operator out of a policy changes no draw of
another, so two policies differ by the operator alone, and the first k rows of n draws are the draws of k images.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpt_ray.spec.policy import Policy, RandomResizedCrop

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

#: The colour operations in torchvision's numbering; ``Draws.order`` permutes these.
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)

_TRIES = 10  # torchvision's RandomResizedCrop gives up after ten boxes that do not fit
_ORDERS = np.array(list(itertools.permutations(range(4))))
_COLUMNS = (
    *("top", "left", "jitter", "brightness", "contrast", "saturation", "hue", "order"),
    *("gray", "blur", "sigma", "flip"),
)


@dataclass(frozen=True, slots=True)
class Draws:
    """One row per view; every array has length n.

    The crop box is in pixels of the source. An operator that was not drawn has its identity: factor 1, shift 0,
    sigma 0. ``order`` [n, 4] lists the colour operations in the order in which they apply; ``hue`` is in turns;
    ``sigma`` is in pixels of the view.
    """

    top: Integers
    left: Integers
    height: Integers
    width: Integers
    flip: Flags
    brightness: Floats
    contrast: Floats
    saturation: Floats
    hue: Floats
    order: Integers
    gray: Flags
    sigma: Floats

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, index: slice | NDArray[Any]) -> Draws:
        """The rows of an index array, a mask or a slice."""
        return Draws(*(getattr(self, field.name)[index] for field in fields(self)))


def draw(policy: Policy, rng: np.random.Generator, n: int, height: ArrayLike, width: ArrayLike) -> Draws:
    """The parameters of ``n`` views.

    Args:
        height, width: of the source images in pixels: one number for all of them, or one each [n].
    """
    tries = rng.random((n, 2 * _TRIES + len(_COLUMNS)))
    height, width = (np.broadcast_to(np.asarray(side, np.int64), n) for side in (height, width))
    u = dict(zip(_COLUMNS, np.ascontiguousarray(tries[:, 2 * _TRIES :].T), strict=True))
    box_height, box_width, fitted = _boxes(policy.crop, tries[:, :_TRIES], tries[:, _TRIES : 2 * _TRIES], height, width)
    # A box that fits stands anywhere with equal probability; the one of last resort stands in the centre.
    top = np.where(fitted, u["top"] * (height - box_height + 1), (height - box_height) // 2).astype(np.int64)
    left = np.where(fitted, u["left"] * (width - box_width + 1), (width - box_width) // 2).astype(np.int64)
    jitter, gray, blur, flip = policy.color_jitter, policy.grayscale, policy.blur, policy.flip
    jittered = u["jitter"] < (jitter.p if jitter else 0)

    def factor(name: str) -> Floats:
        strength = getattr(jitter, name) if jitter else 0.0
        return np.where(jittered, 1 + strength * (2 * u[name] - 1), 1.0)

    return Draws(
        top=top,
        left=left,
        height=box_height,
        width=box_width,
        flip=u["flip"] < (flip.p if flip else 0),
        brightness=factor("brightness"),
        contrast=factor("contrast"),
        saturation=factor("saturation"),
        hue=np.where(jittered, (jitter.hue if jitter else 0) * (2 * u["hue"] - 1), 0.0),
        order=_ORDERS[(u["order"] * len(_ORDERS)).astype(np.int64)],
        gray=u["gray"] < (gray.p if gray else 0),
        sigma=np.where(u["blur"] < blur.p, blur.sigma[0] + (blur.sigma[1] - blur.sigma[0]) * u["sigma"], 0.0)
        if blur
        else np.zeros(n),
    )


def _boxes(
    crop: RandomResizedCrop, area: Floats, shape: Floats, height: Integers, width: Integers
) -> tuple[Integers, Integers, Flags]:
    """Height and width of the first of ten boxes that fits in the image, and whether one did.

    ``area`` and ``shape`` are uniform, [n, 10]; ``height`` and ``width`` [n]. Follows torchvision's
    ``RandomResizedCrop``: the area uniform in ``scale``, the ratio log-uniform, sides rounded half to even.
    """
    low, high = math.log(crop.ratio[0]), math.log(crop.ratio[1])
    heights, widths = height[:, None], width[:, None]
    side = np.sqrt(heights * widths * (crop.scale[0] + (crop.scale[1] - crop.scale[0]) * area))
    stretch = np.exp((low + (high - low) * shape) / 2)
    box_heights, box_widths = np.rint(side / stretch).astype(np.int64), np.rint(side * stretch).astype(np.int64)
    fits = (box_heights > 0) & (box_heights <= heights) & (box_widths > 0) & (box_widths <= widths)
    first, rows = fits.argmax(axis=1), np.arange(len(fits))
    fitted = fits[rows, first]
    last_height, last_width = _largest(crop, height, width)
    return (
        np.where(fitted, box_heights[rows, first], last_height),
        np.where(fitted, box_widths[rows, first], last_width),
        fitted,
    )


def _largest(crop: RandomResizedCrop, height: Integers, width: Integers) -> tuple[Integers, Integers]:
    """The largest boxes whose ratio is allowed: torchvision's last resort, which also rounds half to even."""
    narrow, wide = width / height < crop.ratio[0], width / height > crop.ratio[1]
    return (
        np.where(narrow, np.rint(width / crop.ratio[0]), height).astype(np.int64),
        np.where(wide, np.rint(height * crop.ratio[1]), width).astype(np.int64),
    )
