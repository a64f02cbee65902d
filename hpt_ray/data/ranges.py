"""Pixels of more than eight bits: which values are black and white is decided for the whole data set.

A 12-bit camera stores 0 to 4,095 in 16 bits; a height map stores metres, and -9999 where the height is unknown. No file
says so, and a single image cannot show it: if each image were stretched by itself, a dim one would become as bright as
any other. So all images are examined first, and then all are scaled by the same rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

#: Values that by custom mean "no data"; one counts as such only if it is below every other value ...
BOTTOMS = (-999.0, -9999.0, -99999.0, -32768.0, -2147483648.0)
#: ... or more than four times every other value.
TOPS = (9999.0, 32767.0, 65535.0, 99999.0, 2147483647.0)
#: No measurement is this large; netCDF, climate models and float32's limits use larger values for "no data".
ENDLESS = 1e19

#: Whole numbers that fill less than this share of their bits are stretched from the least to the greatest.
FILLED = 1 / 8

NODATA_TAG = 42113  # GDAL_NODATA
SAMPLES_TAG = 277  # SamplesPerPixel
PHOTOMETRIC_TAG, WHITE_IS_ZERO = 262, 0  # PhotometricInterpretation


@dataclass(frozen=True)
class Span:
    """The values of an image, or of one of its channels.

    Attributes:
        low, high: The least and the greatest but for BOTTOMS, TOPS and no data; infinite where there is none.
        odd: Those of BOTTOMS and TOPS that occur.
    """

    low: float = math.inf
    high: float = -math.inf
    odd: frozenset[float] = frozenset()


@dataclass(frozen=True)
class Range:
    """Which values are black (``low``) and white (``high``); ``nodata`` is black too.

    Of whole numbers with ``bits`` the upper eight of so many are kept.
    """

    low: float
    high: float
    bits: int | None = None
    nodata: tuple[float, ...] = ()

    def grey(
        self, values: npt.NDArray[Any], declared: Iterable[float] = (), negative: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Values of any shape and type as 0 to 255, or of a negative as 255 to 0; no data are 0."""
        known = _known(values, {*declared, *self.nodata})
        clear = np.where(known, values, self.low)
        if self.bits is not None:
            shades = np.floor(clear / 2 ** (self.bits - 8))
        else:  # of one value all is black
            shades = np.rint((clear - self.low) / ((self.high - self.low) or 1) * 255)
        shades = shades.clip(0, 255)
        return np.where(known, 255 - shades if negative else shades, 0).astype(np.uint8)

    @property
    def ends(self) -> tuple[float, float]:
        """The values that are black and white."""
        return self.low, self.high if self.bits is None else 2**self.bits - 1

    def words(self, shown: str = "") -> str:
        """The range in words: ``0 to 4,095``, then what it is shown as, then what is no data."""
        low, high = self.ends
        left = f", {' and '.join(f'{value:,.6g}' for value in self.nodata)} as no data" if self.nodata else ""
        return f"{low:,.6g} to {high:,.6g}{shown}{left}"

    def __str__(self) -> str:
        return self.words(" as black to white")


#: Whole numbers of 16 bits, nothing more being known: the upper byte.
SIXTEEN = Range(0, 65535, bits=16)


def numbers(image: Image.Image) -> npt.NDArray[Any] | None:
    """Grey of more than eight bits as numbers [H, W]; None for any other image."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    return np.asarray(image) if image.mode in ("I", "F") else None


def declared(tags: Mapping[int, Any]) -> frozenset[float]:
    """What a TIFF declares to be no data: GDAL's tag."""
    try:
        return frozenset({float(str(tags[NODATA_TAG]).strip(" \0"))})
    except (KeyError, ValueError):
        return frozenset()


def is_negative(tags: Mapping[int, Any]) -> bool:
    """Whether a file says that its least value is white. Pillow turns one of eight bits, and leaves deeper ones."""
    return bool(tags.get(PHOTOMETRIC_TAG, 1) == WHITE_IS_ZERO)


def span_of(values: npt.NDArray[Any], declared_missing: Iterable[float]) -> tuple[Span, bool]:
    """The span of values of any shape, and whether there are some that are no number, endless or declared missing."""
    known = values[_known(values, declared_missing)]
    odd = np.isin(known, BOTTOMS + TOPS)
    ordinary = known[~odd]
    span = Span(
        low=float(ordinary.min()) if ordinary.size else math.inf,
        high=float(ordinary.max()) if ordinary.size else -math.inf,
        odd=frozenset(np.unique(known[odd]).astype(float).tolist()),
    )
    return span, known.size < values.size


def range_of(spans: Sequence[Span], whole: bool) -> Range:
    """The range of all images of a data set, of what each of them has: at least one.

    Args:
        whole: Whether they are whole numbers.
    """
    low, high = min(each.low for each in spans), max(each.high for each in spans)
    odd = frozenset[float]().union(*(each.odd for each in spans))
    if low > high:  # no other values at all: then these are the values
        low, high = min(odd, default=0.0), max(odd, default=0.0)
    nodata = set()
    for value in sorted(odd):
        if value < low if value in BOTTOMS else value > 4 * max(high, -low):
            nodata.add(value)
        else:
            high = max(high, value)
    bits = max(8, int(high).bit_length())
    if whole and low >= 0 and high - low + 1 >= FILLED * 2**bits:
        return Range(0, 2**bits - 1, bits, tuple(sorted(nodata)))
    return Range(low, high, None, tuple(sorted(nodata)))


def _known(values: npt.NDArray[Any], nodata: Iterable[float]) -> npt.NDArray[np.bool_]:
    """Where there is a measurement, of the shape of ``values``."""
    known = np.ones(values.shape, dtype=bool)
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            known &= np.abs(values) < ENDLESS
    for value in nodata:
        known &= values != value
    return known
