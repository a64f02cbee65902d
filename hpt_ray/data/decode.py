"""Decode an image to eight bits a channel: to a square, or at full resolution.

The geometry of the square is the usual evaluation transform: the shorter side is resized to ``size`` (bicubic,
antialiased) and the centre cropped, done as one resampling of the centre square so that a very long image never becomes
a very large one.
"""

from __future__ import annotations

import contextlib
import io
import logging
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ExifTags import Base

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import HEAD, IMAGE, head_of, kind_of
from hpt_ray.data import bands, dicom, ranges, tiff
from hpt_ray.data.picture import Picture, check_extent, form, of_array, rgb, too_large
from hpt_ray.data.place import Place
from hpt_ray.data.reading import PLAIN, Evidence, Reading, evidence_of
from hpt_ray.data.records import Example

#: Pillow's decoders in use; the others (EPS starts an interpreter, for one) must not read untrusted files.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"}
)

#: What Pillow's decoders raise for a corrupt file.
BROKEN = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)

#: What can be opened: ``records.Content`` once a part of a file is read.
Readable = bytes | Path | Image.Image | npt.NDArray[Any]

#: What reads a file that Pillow cannot, by its first bytes.
OTHERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes | Path, str], Picture]], ...] = (
    (dicom.is_dicom, dicom.picture),
    (tiff.is_tiff, tiff.picture),
)

# Without a handler Python prints what Pillow logs of each odd TIFF; an image is either used or refused with our own
# message.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# And what it warns of names no file. Not for the time of a call: threads share the filters.
warnings.filterwarnings("ignore", module=r"PIL\.")

#: EXIF orientations of an image that lies on its side.
TURNED = (5, 6, 7, 8)

#: Names of Pillow for colour of 16 bits, of which it keeps the upper byte; with the other ending it keeps the lower.
OTHER_BYTE = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


class Decoded(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8 [C, size, size] or, at full resolution, [C, H, W]; by default red, green and blue.
        evidence: What the image shows about how to read the data set, None if that is not in question.
        extent: Its height and width at full resolution, upright.
        form: Its channels and depth, see ``picture.form``.
    """

    pixels: npt.NDArray[np.uint8]
    evidence: Evidence | None
    extent: tuple[int, int]
    form: str


def pixels(example: Example, size: int | None, reading: Reading = PLAIN, channels: Channels = RGB) -> Decoded:
    """Decode one image to a square of ``size`` pixels, or at full resolution where that is None.

    EXIF orientation is applied; transparency is laid over white; of an animation the first frame is taken. Values of
    more than eight bits are scaled by ``reading``. Of other ``channels`` each is resampled as grey is.

    Raises:
        DataError: names the image that is missing, corrupt, truncated, or larger than Pillow's limit against
            decompression bombs; or that lacks a channel.
    """
    image = example.image.read(example.where) if isinstance(example.image, Place) else example.image
    try:
        picture = _picture(image, example.where, size, channels)
        shape = form(picture)
        if channels == RGB:
            seen = evidence_of(picture)
            planes = [rgb(_in_eight_bits(picture, reading, seen))]
        else:
            picture = bands.chosen(picture, channels, example.where)
            seen = evidence_of(picture, each=True)
            planes = list(bands.planes(picture, reading))
        if size is not None:
            planes = [ImageOps.fit(plane, (size, size), method=Image.Resampling.BICUBIC) for plane in planes]
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(example.where) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{example.where} is not an image {_instead(image)}.") from error
    except BROKEN as error:
        raise DataError(f"{example.where} cannot be decoded ({error}); mend or remove it.") from error
    # A copy even of one pixel, which lies in order already: what Pillow holds cannot be written to.
    decoded = (
        np.asarray(planes[0]).transpose(2, 0, 1)
        if channels == RGB
        else np.stack([np.asarray(plane) for plane in planes])
    )
    return Decoded(np.array(decoded, order="C"), seen, picture.extent, shape)


def _picture(image: Readable, where: str, size: int | None, channels: Channels) -> Picture:
    """An image as its file holds it: read by Pillow or, where that cannot hold its pixels, by what can."""
    if isinstance(image, np.ndarray) and (channels != RGB or image.shape[2:] > (4,)):  # four may be transparency
        count = image.shape[2] if image.ndim == 3 else 1
        return of_array(image if channels != RGB else image[..., :3], {ranges.SAMPLES_TAG: count})
    if channels != RGB and isinstance(image, bytes | Path) and _is_tiff(_head(image)):
        # Of bands beside red, green and blue Pillow keeps none, or takes one to be transparency.
        with contextlib.suppress(tiff.NoBandsError):
            return tiff.picture(image, where, channels)
    try:
        return _by_pillow(image, where, size)
    except (UnidentifiedImageError, ValueError):
        for is_one, read in OTHERS:
            if isinstance(image, bytes | Path) and is_one(_head(image)):
                return read(image, where)
        raise


def _is_tiff(head: bytes) -> bool:
    """Whether a file is TIFF, and not DICOM whose preamble makes readers of TIFF look at it."""
    return tiff.is_tiff(head) and not dicom.is_dicom(head)


def _head(image: bytes | Path) -> bytes:
    return image[:HEAD] if isinstance(image, bytes) else head_of(image)


def _by_pillow(source: Readable, where: str, size: int | None) -> Picture:
    with _opened(source) as image:
        width, height = image.size
        check_extent(width, height, where)
        if size is not None:
            # Only JPEG acts on this: it decodes at a fraction of the resolution, never below twice what is needed.
            image.draft(None, (2 * size, 2 * size))
        lower = _lower_bytes(source) if _wide(image) and not isinstance(source, Image.Image) else None
        upright = ImageOps.exif_transpose(image)
        if lower is None:
            values = ranges.numbers(upright)
        else:
            values = np.asarray(upright.convert("RGB")).astype(np.uint16) << 8 | lower
        extent = (width, height) if image.getexif().get(Base.Orientation, 1) in TURNED else (height, width)
        return Picture(upright, values, getattr(image, "tag_v2", {}), extent=extent)


def _wide(image: Image.Image) -> bool:
    """Whether an image that is not yet loaded is colour of 16 bits."""
    colour, _, how = _layout(next(iter(getattr(image, "tile", [])), None)).partition(";16")
    return colour in ("RGB", "RGBA", "RGBX") and how in OTHER_BYTE


def _lower_bytes(source: Readable) -> npt.NDArray[np.uint8]:
    """The lower bytes of colour in 16 bits, uint8 [H, W, 3], upright: decoded as if of the other byte order."""
    with _opened(source) as image:
        image.tile = [_swapped(tile) for tile in image.tile]  # type: ignore[attr-defined]  # _wide saw it
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _layout(tile: Any) -> str:
    """Pillow's name for how pixels lie in a tile of an image file, such as "RGB;16L"."""
    args = getattr(tile, "args", None) or ""
    return str(args if isinstance(args, str) else args[0])


def _swapped(tile: Any) -> Any:
    name = _layout(tile)
    other = name[:-1] + OTHER_BYTE[name[-1]]
    return tile._replace(args=other if isinstance(tile.args, str) else (other, *tile.args[1:]))


def _in_eight_bits(picture: Picture, reading: Reading, seen: Evidence | None) -> Image.Image:
    """An image with its values scaled to eight bits, and without a band that is no transparency."""
    eight = picture.shown
    if picture.values is not None:
        eight = _eight(eight, reading.grey(picture.values, picture.tags))
    if reading.opaque and seen is not None and seen.soft is not None:
        return eight.convert("RGB")  # Pillow drops the band
    return eight


def _eight(image: Image.Image, shades: npt.NDArray[np.uint8]) -> Image.Image:
    """An image of more than eight bits with the shades that its values were scaled to; it keeps its transparency."""
    scaled = Image.fromarray(shades)
    if image.mode == "RGBA":
        scaled.putalpha(image.getchannel("A"))
    elif image.mode == "RGB" and "transparency" in image.info:
        scaled.info["transparency"] = image.info["transparency"]
    return scaled


def _opened(image: Readable) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    return Image.open(image if isinstance(image, Path) else io.BytesIO(image), formats=FORMATS)


def _instead(image: Readable) -> str:
    """What a file is that Pillow does not know, and what to do: completes "is not an image ..."."""
    head = _head(image) if isinstance(image, bytes | Path) else b""
    if kind := kind_of(head, expected=IMAGE):
        return f"that can be read but {kind.what}: {kind.remedy or 'convert it to PNG or JPEG'}"
    return "that can be read; mend or remove it"
