"""Pixels of more than eight bits: which values are black and white is decided for the whole data set.

A 12-bit camera stores 0 to 4,095 in 16 bits; a height map stores metres, and -9999 where the height is unknown. No file
says so, and a single image cannot show it: if each image were stretched by itself, a dim one would become as bright as
any other. So all images are examined first, and then all are scaled by the same rule.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpt_ray.data.picture import Picture

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
class Look:
    """What one image shows about how to read its data set.

    Attributes:
        kind: "whole" or "real" numbers of more than eight bits, "" for none.
        short: Whether they are unsigned and of 16 bits.
        low, high: Their least and greatest but for BOTTOMS, TOPS and no data; infinite where there is none.
        odd: Those of BOTTOMS and TOPS that occur.
        holes: Whether there are values that are no number, endless, or declared by the file to be no data.
        soft: Of a TIFF with a band beside its colours: the share of its values strictly between 0 and 255.
        bands: How many bands the file has, where it has more than are read, else 0.
        negative: Whether its least value is white.
        notes: As ``Picture.notes``.
    """

    kind: str = ""
    short: bool = True
    low: float = math.inf
    high: float = -math.inf
    odd: frozenset[float] = frozenset()
    holes: bool = False
    soft: float | None = None
    bands: int = 0
    negative: bool = False
    notes: tuple[str, ...] = ()


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
        else:
            shades = np.rint((clear - self.low) / max(self.high - self.low, 1e-300) * 255)
        shades = shades.clip(0, 255)
        return np.where(known, 255 - shades if negative else shades, 0).astype(np.uint8)

    def __str__(self) -> str:
        high = self.high if self.bits is None else 2**self.bits - 1
        left = f", {' and '.join(f'{value:,.6g}' for value in self.nodata)} as no data" if self.nodata else ""
        return f"{self.low:,.6g} to {high:,.6g} as black to white{left}"


#: Whole numbers of 16 bits, nothing more being known: the upper byte.
SIXTEEN = Range(0, 65535, bits=16)


@dataclass(frozen=True)
class Reading:
    """How the images of a data set are read where the files leave it open.

    Attributes:
        whole, real: The ranges of whole numbers and of float.
        opaque: Whether the band of TIFFs beside their colours is no transparency.
        negatives: Whether there are images whose least value is white.
        plain: Whether all that is read by it is the upper byte of 16 bits, and transparency over white.
        remarks: What a user should know of it, a line each.
    """

    whole: Range = SIXTEEN
    real: Range = SIXTEEN
    opaque: bool = False
    negatives: bool = False
    plain: bool = True
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(cls, content: list[Any] | None) -> Reading:
        """The reading with some ``content``; None is that of a plain one."""
        if content is None:
            return PLAIN
        whole, real, opaque, *_ = content
        of_whole, of_real = (Range(**{**each, "nodata": tuple(each["nodata"])}) for each in (whole, real))
        return cls(of_whole, of_real, opaque, plain=False)

    def grey(self, numbers: npt.NDArray[Any], tags: Mapping[int, Any]) -> npt.NDArray[np.uint8]:
        """Values of more than eight bits, of any shape, as 0 to 255.

        Args:
            tags: As ``Picture.tags``.
        """
        found = self.real if numbers.dtype.kind == "f" else self.whole
        return found.grey(numbers, declared(tags), is_negative(tags))

    def content(self) -> list[Any]:
        """What decides the pixels, as JSON."""
        return [asdict(self.whole), asdict(self.real), self.opaque, *(["negatives"] if self.negatives else [])]


#: How images are read of whose data set nothing is known yet.
PLAIN = Reading()


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


def look(picture: Picture) -> Look | None:
    """What an image says; None where nothing is left open."""
    tags, shown, values = picture.tags, picture.shown, picture.values
    said = tags.get(SAMPLES_TAG, 1)
    bands = said if isinstance(said, int) and said > len(shown.getbands()) else 0
    soft = None
    if tags and shown.mode in ("RGBA", "LA"):
        alpha = np.asarray(shown.getchannel("A"))
        soft = float(((alpha > 0) & (alpha < 255)).mean())
    if values is None:
        open_questions = bands or soft is not None or picture.notes
        return Look(soft=soft, bands=bands, notes=picture.notes) if open_questions else None
    known = values[_known(values, declared(tags))]
    odd = np.isin(known, BOTTOMS + TOPS)
    ordinary = known[~odd]
    return Look(
        kind="real" if values.dtype.kind == "f" else "whole",
        short=values.dtype == np.uint16,
        low=float(ordinary.min()) if ordinary.size else math.inf,
        high=float(ordinary.max()) if ordinary.size else -math.inf,
        odd=frozenset(np.unique(known[odd]).astype(float).tolist()),
        holes=known.size < values.size,
        soft=soft,
        bands=bands,
        negative=is_negative(tags),
        notes=picture.notes,
    )


def reading(looks: Sequence[Look]) -> Reading:
    """How to read a data set, of what each of its images says."""
    soft = [each.soft for each in looks if each.soft is not None]
    opaque = bool(soft) and sum(soft) / len(soft) > 1 / 2
    found = {kind: _range([each for each in looks if each.kind == kind]) for kind in ("whole", "real")}
    notes = Counter(note for each in looks for note in each.notes)
    remarks = [f"{notes[note]:,} images {note}" for note in sorted(notes)]
    remarks += [
        f"{sum(each.kind == kind for each in looks):,} images have {what}: {found[kind]}"
        for kind, what in (("whole", "more than 8 bits"), ("real", "values in float"))
        if any(each.kind == kind for each in looks)
    ]
    if opaque:
        remarks.append(
            f"{len(soft):,} TIFF images have a band beside their colours that is no transparency, for most of it lies "
            "strictly between 0 and 255: it is left out"
        )
    for bands in sorted({each.bands for each in looks} - {0}):
        remarks.append(f"{sum(each.bands == bands for each in looks):,} images have {bands} bands: {_first(bands)}")
    deep = [each for each in looks if each.kind]
    negatives = sum(each.negative for each in deep)
    if negatives:
        remarks.append(f"{negatives:,} of these images say that their least value is white: their shades are inverted")
    plain = (
        not opaque
        and not negatives
        and found["whole"] == SIXTEEN
        and all(each.short and not each.holes for each in deep)
    )
    return Reading(found["whole"], found["real"], opaque, negatives > 0, plain, tuple(remarks))


def _first(bands: int) -> str:
    return "the first three are read" if bands > 2 else "the first is read"


def _range(looks: Sequence[Look]) -> Range:
    if not looks:
        return SIXTEEN
    low, high = min(each.low for each in looks), max(each.high for each in looks)
    odd = frozenset[float]().union(*(each.odd for each in looks))
    if low > high:  # no other values at all: then these are the values
        low, high = min(odd, default=0.0), max(odd, default=0.0)
    nodata = set()
    for value in sorted(odd):
        if value < low if value in BOTTOMS else value > 4 * max(high, -low):
            nodata.add(value)
        else:
            high = max(high, value)
    bits = max(8, int(high).bit_length())
    if looks[0].kind == "whole" and low >= 0 and high - low + 1 >= FILLED * 2**bits:
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
