"""Drawn RGB images whose classes are set by known factors: ``synthetic:DOMAIN,n=4000,seed=0``.

Each domain fixes which factors decide the class; the others are nuisances, drawn at random. So what an augmentation
must do to a representation of it is known before the study is run:

| domain      | classes                                            | nuisances                                | known |
|-------------|----------------------------------------------------|------------------------------------------|-------|
| objects     | 40: shape (5) x texture (4) x palette (warm, cool) | pose, exact hue, clutter, light          | (1)   |
| shape       | 6: shape                                           | texture, hue, pose, clutter, light       | (2)   |
| texture     | 8: pattern (4) x period (fine, coarse)             | hues, contrast, angle, phase, light      | (3)   |
| colour      | 8: hue, in steps of 1/8 turn                       | shape, texture, pose, clutter, light     | (4)   |
| orientation | 6: glyph (3) x facing right or left                | texture, hue, place, size, clutter       | (5)   |
| aerial      | 12: objects' shape (4) x ground's pattern (3);     | number, place, size and angle of the     | (6)   |
|             | roof hue follows the class in 60 % of images       | objects, earth tones, shadow, haze       |       |

Pose is place, size and angle. (1) A base: photograph-like, a bit of everything. (2) Colour says nothing, so operations
on colour cost nothing and remove a short cut. (3) Crops that change the scale, and blur, hurt; flips and colour do not
matter. (4) Jitter of hue (0.1 turns against a half step of 1/16) and grayscale hurt. (5) Horizontal flips hurt: a
mirrored image belongs to another class. (6) A target: seen from above, other palette, scale and layout; colour helps
in part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from hpt_ray.core import machine
from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.core.identity import content_id, stream
from hpt_ray.data.datasets import _drawing as draw
from hpt_ray.data.records import Example, Records, Source, options

#: Raised by hand when a drawing changes.
VERSION = 1
#: Images drawn at once. An image depends on its block's stream, so ``n`` cuts the sequence and changes no image.
BLOCK = 128

Labels = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]
Block = tuple[Pixels, Labels]


@dataclass(frozen=True)
class Domain:
    """Class names, and the drawing of a block: (generator, labels [B]) -> uint8 [B, SIDE, SIDE, 3]."""

    classes: tuple[str, ...]
    draw: Callable[[np.random.Generator, Labels], Pixels]


def dataset(argument: str | None) -> Source:
    """A domain by name (``objects`` if none is given); options ``n`` (images) and ``seed``."""
    name, chosen = options("synthetic", argument, {"n": "4000", "seed": "0"})
    name = name or "objects"
    if name not in DOMAINS:
        raise UnknownNameError("synthetic domain", name, DOMAINS)
    try:
        count, seed = int(chosen["n"]), int(chosen["seed"])
    except ValueError as error:
        raise DataError(f"synthetic:{argument}: n and seed must be whole numbers.") from error
    if not 1 <= count <= 1_000_000:
        raise DataError(f"synthetic:{argument}: n must be between 1 and 1,000,000.")
    fingerprint = content_id(["synthetic", name, count, seed, VERSION])
    return Source(name, fingerprint, lambda: Records(count, DOMAINS[name].classes, _examples(name, count, seed)))


def _examples(name: str, count: int, seed: int) -> Iterator[Example]:
    domain = DOMAINS[name]

    def block(start: int) -> Block:
        labels = np.arange(start, start + BLOCK) % len(domain.classes)
        return domain.draw(stream(seed, f"synthetic:{name}", start // BLOCK), labels), labels

    starts = range(0, count, BLOCK)
    for start, (images, labels) in zip(starts, _ahead(block, starts), strict=True):
        for i in range(min(BLOCK, count - start)):
            yield Example(images[i], f"synthetic:{name} image {start + i}", int(labels[i]))


def _ahead(block: Callable[[int], Block], starts: Iterable[int]) -> Iterator[Block]:
    """Blocks in their order, drawn a few ahead on all cores: NumPy computes without Python's lock."""
    cores = machine.cores()
    with ThreadPoolExecutor(cores, thread_name_prefix="draw") as pool:
        waiting: deque[Future[Block]] = deque()
        for start in starts:
            waiting.append(pool.submit(block, start))
            if len(waiting) > cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _names(*factors: list[str]) -> tuple[str, ...]:
    return tuple(" ".join(names) for names in product(*factors))


def _somewhere(generator: np.random.Generator, count: int, reach: float) -> tuple[draw.Array, draw.Array]:
    x, y = generator.uniform(-reach, reach, (2, count))
    return draw.column(x), draw.column(y)


def _any_angle(generator: np.random.Generator, count: int) -> draw.Array:
    return draw.column(generator.uniform(-np.pi, np.pi, count))


def _clutter(generator: np.random.Generator, count: int, saturation: float) -> draw.Array:
    """A background like an unsharp scene: two colours mixed by smooth noise, and a few blobs of others."""

    def tint() -> draw.Array:
        hue, value = generator.random(count), generator.uniform(0.15, 0.85, count)
        return draw.colour(hue, generator.uniform(0, saturation, count), value)

    canvas = draw.canvas(tint())
    draw.paint(canvas, draw.smooth_noise(generator, count, 3), tint())
    draw.paint(canvas, 0.5 * draw.smooth_noise(generator, count, 12), tint())
    for _ in range(3):
        radius = draw.column(generator.uniform(0.1, 0.35, count))
        u, v = draw.place(_somewhere(generator, count, 1), radius, _any_angle(generator, count))
        blob = draw.cover(np.hypot(u, 1.8 * v) - 1, radius)
        draw.paint(canvas, blob * draw.column(generator.uniform(0.3, 0.9, count)), tint())
    return canvas


@dataclass(frozen=True)
class _Figure:
    """One large figure over clutter: what is fixed is given per image [B], the rest is drawn."""

    shapes: list[str]
    shape: Labels
    textures: list[str]
    texture: Labels
    hue: npt.NDArray[np.float64]
    turn: float = np.pi
    mirrored: npt.NDArray[np.bool_] | None = None
    clutter: float = 0.6

    def draw(self, generator: np.random.Generator) -> Pixels:
        count = len(self.shape)
        canvas = _clutter(generator, count, self.clutter)
        radius = draw.column(generator.uniform(0.4, 0.75, count))
        angle = draw.column(generator.uniform(-self.turn, self.turn, count))
        u, v = draw.place(_somewhere(generator, count, 0.3), radius, angle)
        if self.mirrored is not None:
            u = u * draw.column(np.where(self.mirrored, -1, 1))
        mask = draw.cover(draw.choose(draw.SHAPES, self.shapes, self.shape, u, v), radius)
        period = draw.column(generator.uniform(0.2, 0.3, count))
        u, v = draw.place(_somewhere(generator, count, 1), period, _any_angle(generator, count))
        weave = draw.choose(draw.TEXTURES, self.textures, self.texture, u, v)
        saturation, value = generator.uniform(0.6, 1, count), generator.uniform(0.7, 1, count)
        # The two tones of a texture share their hue: it is the texture that is seen in grey, and the hue in colour.
        draw.paint(canvas, mask, draw.colour(self.hue, saturation, value * generator.uniform(0.2, 0.4, count)))
        draw.paint(canvas, mask * weave, draw.colour(self.hue, saturation, value))
        return draw.finish(generator, canvas, 0.03, (0.7, 1.1))


_OBJECT_SHAPES = ["disc", "square", "triangle", "cross", "star"]
_SHAPES = ["disc", "square", "triangle", "ring", "cross", "star"]
_WEAVES = ["plain", "stripes", "checks", "dots"]
_PATTERNS = ["stripes", "checks", "dots", "rings"]
_PALETTES = ["warm", "cool"]
_HUES = ["red", "amber", "lime", "green", "cyan", "blue", "violet", "magenta"]
_GLYPHS = ["hook", "flag", "arrow"]
_ROOFS = ["square", "disc", "cross", "bar"]
_GROUNDS = ["stripes", "dots", "zigzag"]


def _objects(generator: np.random.Generator, labels: Labels) -> Pixels:
    shape, texture, palette = np.unravel_index(labels, (len(_OBJECT_SHAPES), len(_WEAVES), len(_PALETTES)))
    hue = np.where(palette == 0, 0.05, 0.55) + generator.uniform(-0.13, 0.13, len(labels))
    return _Figure(_OBJECT_SHAPES, shape, _WEAVES, texture, hue).draw(generator)


def _shape(generator: np.random.Generator, labels: Labels) -> Pixels:
    texture = generator.integers(len(_WEAVES), size=len(labels))
    return _Figure(_SHAPES, labels, _WEAVES, texture, generator.random(len(labels))).draw(generator)


def _colour(generator: np.random.Generator, labels: Labels) -> Pixels:
    shape = generator.integers(len(_SHAPES), size=len(labels))
    texture = generator.integers(len(_WEAVES), size=len(labels))
    hue = labels / len(_HUES) + generator.uniform(-0.03, 0.03, len(labels))
    # A greyish background: else its hue would answer for the figure's.
    return _Figure(_SHAPES, shape, _WEAVES, texture, hue, clutter=0.08).draw(generator)


def _orientation(generator: np.random.Generator, labels: Labels) -> Pixels:
    glyph, left = np.unravel_index(labels, (len(_GLYPHS), 2))
    texture = generator.integers(len(_WEAVES), size=len(labels))
    hue = generator.random(len(labels))
    return _Figure(_GLYPHS, glyph, _WEAVES, texture, hue, turn=0.25, mirrored=left == 1).draw(generator)


def _texture(generator: np.random.Generator, labels: Labels) -> Pixels:
    count = len(labels)
    pattern, coarse = np.unravel_index(labels, (len(_PATTERNS), 2))
    period = draw.column(np.where(coarse == 1, 0.5, 0.2) * generator.uniform(0.85, 1.18, count))
    u, v = draw.place(_somewhere(generator, count, 1), period, _any_angle(generator, count))
    weave = draw.choose(draw.TEXTURES, _PATTERNS, pattern, u, v)

    def tint(low: float, high: float) -> draw.Array:
        saturation = generator.uniform(0.2, 1, count)
        return draw.colour(generator.random(count), saturation, generator.uniform(low, high, count))

    canvas = draw.canvas(tint(0.1, 0.45))
    draw.paint(canvas, weave, tint(0.55, 1))
    draw.paint(canvas, 0.5 * draw.smooth_noise(generator, count, 4), np.full((count, 3), 0.5, dtype=np.float32))
    return draw.finish(generator, canvas, 0.05, (0.6, 1.1))


def _aerial(generator: np.random.Generator, labels: Labels) -> Pixels:
    count = len(labels)
    shape, ground = np.unravel_index(labels, (len(_ROOFS), len(_GROUNDS)))

    def earth(low: float, high: float) -> draw.Array:
        hue, value = generator.uniform(0.06, 0.4, count), generator.uniform(low, high, count)
        return draw.colour(hue, generator.uniform(0.15, 0.45, count), value)

    canvas = draw.canvas(earth(0.2, 0.4))
    period = draw.column(generator.uniform(0.3, 0.42, count))
    u, v = draw.place(_somewhere(generator, count, 1), period, _any_angle(generator, count))
    weave = draw.choose(draw.TEXTURES, _GROUNDS, ground, u, v)
    draw.paint(canvas, weave * draw.column(generator.uniform(0.5, 1, count)), earth(0.45, 0.7))
    draw.paint(canvas, 0.5 * draw.smooth_noise(generator, count, 5), earth(0.25, 0.6))
    typical = generator.random(count) < 0.6
    hue = np.where(typical, labels / (len(_ROOFS) * len(_GROUNDS)), generator.random(count))
    roof = draw.colour(hue, generator.uniform(0.25, 0.6, count), generator.uniform(0.55, 0.95, count))
    objects = generator.integers(3, 6, count)
    for number in range(5):
        radius = draw.column(generator.uniform(0.2, 0.3, count))
        u, v = draw.place(_somewhere(generator, count, 0.8), radius, _any_angle(generator, count))
        mask = draw.cover(draw.choose(draw.SHAPES, _ROOFS, shape, u, v), radius) * draw.column(number < objects)
        draw.paint(canvas, 0.5 * draw.shifted(mask, 2), np.zeros((count, 3), dtype=np.float32))
        draw.paint(canvas, mask, roof)
    haze = draw.column(generator.uniform(0, 0.3, count))
    draw.paint(canvas, haze, np.full((count, 3), 0.72, dtype=np.float32))
    return draw.finish(generator, canvas, 0.05, (0.8, 1.2))


DOMAINS = {
    "objects": Domain(_names(_OBJECT_SHAPES, _WEAVES, _PALETTES), _objects),
    "shape": Domain(tuple(_SHAPES), _shape),
    "texture": Domain(_names(_PATTERNS, ["fine", "coarse"]), _texture),
    "colour": Domain(tuple(_HUES), _colour),
    "orientation": Domain(_names(_GLYPHS, ["right", "left"]), _orientation),
    "aerial": Domain(_names(_ROOFS, _GROUNDS), _aerial),
}
