"""TIFF and GeoTIFF that Pillow cannot hold: several bands of more than eight bits, bands of grey, planes apart.

They are read by tifffile, an extra. Of an image of three bands or more the first three are read as red, green and
blue, of one with two the first, unless channels are chosen.
"""

from __future__ import annotations

import io
import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import TiffImagePlugin

from hpt_ray.core.channels import MOST, RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.data.picture import Picture, check_extent, of_array
from hpt_ray.data.ranges import NODATA_TAG, PHOTOMETRIC_TAG, SAMPLES_TAG, WHITE_IS_ZERO

WIDTH, BITS, SAMPLE_FORMAT = 256, 258, 339  # tags of TIFF
#: Values of PhotometricInterpretation whose pixels are grey or red, green and blue as they stand.
GREY, COLOUR = (WHITE_IS_ZERO, 1), 2
#: Values of ExtraSamples that mark a band as transparency.
ALPHA = (1, 2)

#: What readers report a damaged file with.
DAMAGED = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)

# Without a handler Python prints what tifffile logs of each odd file.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins so is TIFF or BigTIFF."""
    return head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class NoBandsError(DataError):
    """A TIFF whose pixels are not grey, colours or bands of whole bytes."""


def picture(image: bytes | Path, where: str, channels: Channels = RGB) -> Picture:
    """Decode the first page of a TIFF: by default its first three bands or its first, else all of its bands.

    Raises:
        DataError: says what the file is where it cannot be read, or that tifffile is not installed.
    """
    try:
        import tifffile
    except ImportError as error:
        if channels != RGB:
            raise DataError(f"{where} is a TIFF, whose channels are read by pip install 'hpt_ray[tiff]'.") from error
        advice = "; or have it read: pip install 'hpt_ray[tiff]'"
        raise DataError(f"{where} is not an image {_described(image)}{advice}.") from error
    try:
        with tifffile.TiffFile(io.BytesIO(image) if isinstance(image, bytes) else image) as file:
            page = file.pages.first
            check_extent(page.imagewidth, page.imagelength, where)
            if channels != RGB and page.samplesperpixel > MOST:
                raise DataError(
                    f"{where} has {page.samplesperpixel} channels, and at most {MOST} can be read: save it with fewer."
                )
            if not _is_usable(page):
                raise NoBandsError(f"{where} is not an image {_described(image)}.")
            tags = {tag: page.tags[tag].value for tag in (PHOTOMETRIC_TAG, NODATA_TAG) if tag in page.tags}
            pixels = _bands(page.asarray(), page.axes)
            extra = page.extrasamples
            pages = [each for each in file.pages if isinstance(each, tifffile.TiffPage)]
            whole = sum(not (each.is_reduced or each.is_mask) for each in pages)
    except DAMAGED as error:
        raise DataError(f"{where} cannot be decoded ({error}); mend or remove it.") from error
    count = 1 if pixels.ndim == 2 else pixels.shape[2]
    alpha = [count - len(extra) + place for place, kind in enumerate(extra) if kind in ALPHA]
    notes = [f"have {whole} pages: the first is read, and pages are no channels"] if whole > 1 else []
    if channels == "all" and alpha:
        pixels = np.delete(pixels, alpha, axis=2)
        notes.append(f"mark band {alpha[0] + 1} as transparency: it is no channel unless its number is named")
    elif channels == RGB and pixels.ndim == 3:
        pixels = pixels[..., :3] if count > 2 else pixels[..., 0]
    if pixels.dtype == np.uint8 and tags.get(PHOTOMETRIC_TAG) == WHITE_IS_ZERO:
        pixels = 255 - pixels
    return of_array(np.ascontiguousarray(pixels), {**tags, SAMPLES_TAG: count}, tuple(notes))


def _is_usable(page: Any) -> bool:
    """Whether the pixels of a page are numbers of whole bytes, grey or RGB, in one plane or one for each band."""
    return (
        page.dtype is not None
        and page.dtype.kind in "uif"
        and page.bitspersample == 8 * page.dtype.itemsize
        and page.photometric in (*GREY, COLOUR)
        and page.samplesperpixel <= MOST
        and page.axes in ("YX", "YXS", "SYX")
    )


def _bands(pixels: npt.NDArray[Any], axes: str) -> npt.NDArray[Any]:
    """Pixels [H, W] or [H, W, bands]."""
    return np.moveaxis(pixels, 0, -1) if axes == "SYX" else pixels


def _described(image: bytes | Path) -> str:
    """What a TIFF is whose pixels cannot be read: completes "is not an image ..."."""
    try:
        with io.BytesIO(image) if isinstance(image, bytes) else image.open("rb") as file:
            start = file.read(8)
            tags = TiffImagePlugin.ImageFileDirectory_v2(start + (file.read(8) if b"+" in start[2:4] else b""))
            file.seek(tags.next)
            tags.load(file)
            tags[WIDTH]  # every TIFF has it
        bits, kinds = tags.get(BITS, (1,)), tags.get(SAMPLE_FORMAT, (1,))
        bands = tags.get(SAMPLES_TAG, len(bits))
        kind = {2: "signed ", 3: "float ", 5: "complex ", 6: "complex "}.get(kinds[0], "")
    except DAMAGED:
        return "that can be read: its TIFF header is damaged; mend or remove it"
    marked = ", marked as shades of grey" if bands > 2 and tags.get(PHOTOMETRIC_TAG, 0) < 2 else ""
    return (
        f"that can be read but a TIFF of {bands} {'band' if bands == 1 else 'bands'} of {kind}{bits[0]} bits{marked}: "
        "convert it to one band (8 or 16 bits, or 32 of float), or to three marked as red, green and blue (8 or 16)"
    )
