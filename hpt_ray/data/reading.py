"""How the images of a data set are read where their files leave it open: seen in each image, decided for all.

By default one range serves all numbers of a kind. Where the channels are chosen each has a range of its own, as bands
of satellites are usually scaled: some have a hundred times the values of others, and one range would leave those black.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from hpt_ray.data.picture import Picture
from hpt_ray.data.ranges import SAMPLES_TAG, SIXTEEN, Range, Span, declared, is_negative, range_of, span_of

Ranges = tuple[Range, ...]


@dataclass(frozen=True)
class Evidence:
    """What one image shows about how to read its data set.

    Attributes:
        kind: "whole" or "real" numbers of more than eight bits, "" for none.
        short: Whether they are unsigned and of 16 bits.
        spans: What values they are: of all channels together, or of each.
        holes: Whether there are values that are no number, endless, or declared by the file to be no data.
        soft: Of a TIFF with a band beside its colours: the share of its values strictly between 0 and 255.
        bands: How many bands the file has, where it has more than are read, else 0.
        negative: Whether its least value is white.
        notes: As ``Picture.notes``.
    """

    kind: str = ""
    short: bool = True
    spans: tuple[Span, ...] = ()
    holes: bool = False
    soft: float | None = None
    bands: int = 0
    negative: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How the images of a data set are read where the files leave it open.

    Attributes:
        whole, real: The ranges of whole numbers and of float: one for all channels, or one for each.
        opaque: Whether the band of TIFFs beside their colours is no transparency.
        negatives: Whether there are images whose least value is white.
        plain: Whether all that is read by it is the upper byte of 16 bits, and transparency over white.
        remarks: What a user should know of it, a line each.
    """

    whole: Ranges = (SIXTEEN,)
    real: Ranges = (SIXTEEN,)
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
        return cls(_stored(whole), _stored(real), opaque, plain=False)

    def grey(self, numbers: npt.NDArray[Any], tags: Mapping[int, Any]) -> npt.NDArray[np.uint8]:
        """Values [H, W] or [H, W, C] as 0 to 255; those of eight bits as they are.

        Args:
            tags: As ``Picture.tags``.
        """
        if numbers.dtype == np.uint8:
            return numbers
        ranges = self.real if numbers.dtype.kind == "f" else self.whole
        missing, negative = declared(tags), is_negative(tags)
        if len(ranges) == 1:
            return ranges[0].grey(numbers, missing, negative)
        channels = np.moveaxis(numbers, -1, 0)
        shades = [each.grey(channel, missing, negative) for each, channel in zip(ranges, channels, strict=True)]
        return np.stack(shades, axis=-1)

    def content(self) -> list[Any]:
        """What decides the pixels, as JSON."""
        return [_content(self.whole), _content(self.real), self.opaque, *(["negatives"] if self.negatives else [])]


#: Of the 255 shades of a range, an image that uses fewer is of nearly one shade.
FEW = 2

#: How images are read of whose data set nothing is known yet.
PLAIN = Reading()


def _content(ranges: Ranges) -> Any:
    one, *others = map(asdict, ranges)
    return [one, *others] if others else one


def _stored(content: Any) -> Ranges:
    each_range = content if isinstance(content, list) else [content]
    return tuple(Range(**{**each, "nodata": tuple(each["nodata"])}) for each in each_range)


def evidence_of(picture: Picture, *, each: bool = False) -> Evidence | None:
    """What an image says; None where nothing is left open.

    Args:
        each: Whether each channel has a range of its own; the picture then has values [H, W, C].
    """
    tags, shown, values = picture.tags, picture.shown, picture.values
    samples = tags.get(SAMPLES_TAG, 1)
    bands = samples if not each and isinstance(samples, int) and samples > len(shown.getbands()) else 0
    soft = None
    if tags and shown.mode in ("RGBA", "LA"):
        alpha = np.asarray(shown.getchannel("A"))
        soft = float(((alpha > 0) & (alpha < 255)).mean())
    if values is None or values.dtype == np.uint8:
        open_questions = bands or soft is not None or picture.notes
        return Evidence(soft=soft, bands=bands, notes=picture.notes) if open_questions else None
    missing = declared(tags)
    spans = [span_of(part, missing) for part in (np.moveaxis(values, -1, 0) if each else [values])]
    return Evidence(
        kind="real" if values.dtype.kind == "f" else "whole",
        short=values.dtype == np.uint16,
        spans=tuple(span for span, _ in spans),
        holes=any(holes for _, holes in spans),
        soft=soft,
        bands=bands,
        negative=is_negative(tags),
        notes=picture.notes,
    )


def reading(evidence: Sequence[Evidence]) -> Reading:
    """How to read a data set, of what each of its images says."""
    soft = [each.soft for each in evidence if each.soft is not None]
    opaque = bool(soft) and sum(soft) / len(soft) > 1 / 2
    ranges = {kind: _ranges([each.spans for each in evidence if each.kind == kind], kind) for kind in ("whole", "real")}
    notes = Counter(note for each in evidence for note in each.notes)
    remarks = [f"{notes[note]:,} images {note}" for note in sorted(notes)]
    for kind, what in (("whole", "more than 8 bits"), ("real", "values in float")):
        if spans := [each.spans for each in evidence if each.kind == kind]:
            remarks.append(f"{len(spans):,} images have {what}: {_listed(ranges[kind])}")
            remarks += _constant(ranges[kind], spans) or _narrow(spans, ranges[kind])
    if opaque:
        remarks.append(
            f"{len(soft):,} TIFF images have a band beside their colours that is no transparency, for most of it lies "
            "strictly between 0 and 255: it is left out"
        )
    for bands in sorted({each.bands for each in evidence} - {0}):
        remarks.append(f"{sum(each.bands == bands for each in evidence):,} images have {bands} bands: {_first(bands)}")
    deep = [each for each in evidence if each.kind]
    negatives = sum(each.negative for each in deep)
    if negatives:
        remarks.append(f"{negatives:,} of these images say that their least value is white: their shades are inverted")
    plain = (
        not opaque
        and not negatives
        and set(ranges["whole"]) == {SIXTEEN}
        and all(each.short and not each.holes for each in deep)
    )
    return Reading(ranges["whole"], ranges["real"], opaque, negatives > 0, plain, tuple(remarks))


def _first(bands: int) -> str:
    return "the first three are read" if bands > 2 else "the first is read"


def _ranges(spans: list[tuple[Span, ...]], kind: str) -> Ranges:
    """The range of each channel, or of all together, of the spans of each image."""
    return tuple(range_of(channel, kind == "whole") for channel in zip(*spans, strict=True)) or (SIXTEEN,)


def _constant(ranges: Ranges, spans: Sequence[tuple[Span, ...]]) -> list[str]:
    """A remark for each channel from which nothing can be learned: it has one value in all images, or none."""
    remarks = []
    for number, values in enumerate(ranges, 1):
        low, high = values.ends
        if low == high:
            measured = any(each[number - 1].low <= each[number - 1].high or each[number - 1].odd for each in spans)
            which = f"channel {number}" if len(ranges) > 1 else "every value"
            what = f"is {low:,.6g}" if measured else "is no measurement (NaN, endless or declared as no data)"
            remarks.append(f"{which} {what} in all of these {len(spans):,} images: nothing can be learned from it")
    return remarks


def _narrow(spans: Sequence[tuple[Span, ...]], ranges: Ranges) -> list[str]:
    """A remark where most images are of nearly one shade, as a single value far from all others makes them."""
    for number, (channel, values) in enumerate(zip(zip(*spans, strict=True), ranges, strict=True), 1):
        low, high = values.ends
        narrow = sum(each.high - each.low < FEW * (high - low) / 255 for each in channel)
        if 2 * narrow > len(channel):
            which = f" of channel {number}" if len(ranges) > 1 else ""
            return [
                f"{narrow:,} of these {len(channel):,} images use less than {FEW} of the 255 shades{which} and are of "
                f"nearly one shade: if {low:,.6g} or {high:,.6g} is no measurement, write NaN or declare it as no data"
            ]
    return []


def _listed(ranges: Ranges) -> str:
    """Ranges in words, those of neighbouring channels together where they are equal."""
    if len(ranges) == 1:
        return str(ranges[0])
    parts = []
    for values, group in groupby(enumerate(ranges, 1), key=lambda item: item[1]):
        numbers = [number for number, _ in group]
        parts.append(f"{numbers[0]}{f'-{numbers[-1]}' if len(numbers) > 1 else ''}: {values.words()}")
    return f"each channel has its own black and white ({'; '.join(parts)})"
