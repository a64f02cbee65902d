"""Drawing for the synthetic domains: shapes, textures, colours and clutter for a whole block of images at once.

Everything is float32 and vectorised over images: coordinates are [B, H, W] in -1..1 (x to the right, y down), colours
[B, 3] and images [B, 3, H, W] in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Field = Callable[[Array, Array], Array]

#: Side of a drawn image in pixels; the decoder resizes it as it does any other image.
SIDE = 64
#: Images that are painted at a time: so many stay in a core's cache.
IN_CACHE = 8


def grid() -> tuple[Array, Array]:
    """The x and y coordinates of the pixel centres, [1, SIDE, SIDE] each."""
    axis = ((np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1)[None]
    return np.broadcast_to(axis[:, None, :], (1, SIDE, SIDE)), np.broadcast_to(axis[:, :, None], (1, SIDE, SIDE))


def column(values: npt.ArrayLike) -> Array:
    """One number per image, [B], ready to be used with coordinates, [B, 1, 1]."""
    return np.asarray(values, dtype=np.float32)[:, None, None]


def place(centre: tuple[Array, Array], radius: Array, angle: Array) -> tuple[Array, Array]:
    """The pixels' coordinates [B, H, W] in the frame of a shape of this centre, radius and angle (in radians)."""
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    x, y = grid()
    dx, dy = x - centre[0], y - centre[1]
    return cos * dx + sin * dy, cos * dy - sin * dx


def _box(u: Array, v: Array, half_width: float, half_height: float) -> Array:
    distance: Array = np.maximum(np.abs(u) - half_width, np.abs(v) - half_height)
    return distance


def _hook(u: Array, v: Array) -> Array:
    """A post with a foot to the right: an L."""
    distance: Array = np.minimum(_box(u + 0.4, v, 0.22, 0.9), _box(u - 0.1, v - 0.68, 0.65, 0.22))
    return distance


def _flag(u: Array, v: Array) -> Array:
    """A post with a square cloth to the right of its top."""
    distance: Array = np.minimum(_box(u + 0.55, v, 0.14, 0.95), _box(u - 0.1, v + 0.45, 0.6, 0.45))
    return distance


def _arrow(u: Array, v: Array) -> Array:
    """A shaft that ends in a head to the right."""
    head = np.maximum(np.abs(v) + (u - 0.95), 0.1 - u)
    distance: Array = np.minimum(_box(u + 0.35, v, 0.6, 0.16), head)
    return distance


#: Signed functions of local coordinates: negative inside, about one unit per radius.
SHAPES: dict[str, Field] = {
    "disc": lambda u, v: np.hypot(u, v) - 0.9,
    "square": lambda u, v: _box(u, v, 0.75, 0.75),
    "triangle": lambda u, v: np.maximum(np.abs(u) * 0.866 - v * 0.5, v) - 0.5,
    "ring": lambda u, v: np.abs(np.hypot(u, v) - 0.7) - 0.22,
    "cross": lambda u, v: np.minimum(_box(u, v, 0.28, 0.95), _box(u, v, 0.95, 0.28)),
    "star": lambda u, v: np.hypot(u, v) * (1 + 0.35 * np.cos(5 * np.arctan2(u, v))) - 0.7,
    "bar": lambda u, v: _box(u, v, 1.0, 0.35),
    "hook": _hook,
    "flag": _flag,
    "arrow": _arrow,
}


def _wave(phase: Array) -> Array:
    wave: Array = 0.5 + 0.5 * np.sin(2 * np.pi * phase)
    return wave


#: Patterns of coordinates measured in periods, 0..1; the same pattern whichever way it is turned.
TEXTURES: dict[str, Field] = {
    "plain": lambda u, v: np.ones_like(u + v),
    "stripes": lambda u, v: np.clip(3 * _wave(u + 0 * v) - 1, 0, 1),
    "checks": lambda u, v: np.clip(0.5 + 2 * (_wave(u) - 0.5) * (_wave(v) - 0.5) * 4, 0, 1),
    "dots": lambda u, v: np.clip(4 * (_wave(u) + _wave(v)) - 5.5, 0, 1),
    "zigzag": lambda u, v: np.clip(3 * _wave(v + 0.5 * np.abs(2 * (u - np.floor(u)) - 1)) - 1, 0, 1),
    "rings": lambda u, v: np.clip(3 * _wave(np.hypot(u - np.round(u / 4) * 4, v - np.round(v / 4) * 4)) - 1, 0, 1),
}


def choose(fields: dict[str, Field], names: list[str], which: npt.NDArray[np.int64], u: Array, v: Array) -> Array:
    """Evaluate ``fields[names[which[i]]]`` for image i, [B, H, W]."""
    out = np.empty(np.broadcast_shapes(u.shape, v.shape), dtype=np.float32)
    for number, name in enumerate(names):
        rows = np.flatnonzero(which == number)
        if rows.size:
            out[rows] = fields[name](u[rows], v[rows])
    return out


def cover(distance: Array, radius: Array) -> Array:
    """The share of each pixel that a shape covers, from its signed function in units of its radius."""
    share: Array = np.clip(0.5 - distance * radius * (SIDE / 2), 0, 1)
    return share


def colour(hue: npt.ArrayLike, saturation: npt.ArrayLike, value: npt.ArrayLike) -> Array:
    """HSV (hue in turns) to RGB, [B, 3] (Smith 1978)."""
    turn = (np.asarray(hue, dtype=np.float32)[:, None] * 6 + np.array([0, 4, 2], dtype=np.float32)) % 6
    pure = np.clip(np.abs(turn - 3) - 1, 0, 1)
    grey = 1 - np.asarray(saturation, dtype=np.float32)[:, None] * (1 - pure)
    return np.asarray(np.asarray(value, dtype=np.float32)[:, None] * grey, dtype=np.float32)


def canvas(tint: Array) -> Array:
    """Images [B, 3, H, W] of one colour [B, 3] each."""
    return np.repeat(tint, SIDE * SIDE, axis=1).reshape(-1, 3, SIDE, SIDE)


def shifted(mask: Array, by: int) -> Array:
    """A mask [B, H, W] moved right and down by some pixels."""
    out = np.zeros_like(mask)
    out[:, by:, by:] = mask[:, :-by, :-by]
    return out


def paint(canvas: Array, share: Array, tint: Array) -> None:
    """Lay a colour [B, 3], or an image [B, 3, H, W], over the canvas by a share [B, H, W], in place."""
    layer = tint[:, :, None, None] if tint.ndim == 2 else tint
    shares = np.broadcast_to(share, (len(canvas), *share.shape[1:]))
    for start in range(0, len(canvas), IN_CACHE):
        rows = slice(start, start + IN_CACHE)
        canvas[rows] += shares[rows, None] * (layer[rows] - canvas[rows])


def smooth_noise(generator: np.random.Generator, count: int, cells: int) -> Array:
    """Random fields [count, SIDE, SIDE] with features of SIDE / cells pixels and values about 0..1 (value noise)."""
    lattice = generator.random((count, cells + 1, cells + 1), dtype=np.float32)
    position = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * cells
    left = np.floor(position).astype(np.int64)
    part = position - left
    part = part * part * (3 - 2 * part)
    weights = np.zeros((SIDE, cells + 1), dtype=np.float32)
    weights[np.arange(SIDE), left] = 1 - part
    weights[np.arange(SIDE), left + 1] += part
    return np.asarray(weights @ lattice @ weights.T, dtype=np.float32)


def finish(
    generator: np.random.Generator, canvas: Array, noise: float, contrast: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """Light from one side, the camera's contrast and its noise; to uint8 [B, SIDE, SIDE, 3]."""
    count = len(canvas)
    x, y = grid()
    angle = column(generator.uniform(0, 2 * np.pi, count))
    light = 1 + column(generator.uniform(0, 0.25, count)) * (np.cos(angle) * x + np.sin(angle) * y)
    gain = column(generator.uniform(*contrast, count))[:, None]
    shot = generator.standard_normal(canvas.shape, dtype=np.float32) * np.float32(noise)
    image = (canvas * light[:, None] - 0.5) * gain + 0.5 + shot
    pixels: npt.NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels.transpose(0, 2, 3, 1)
