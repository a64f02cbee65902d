"""Decode an image to RGB pixels: to a square, or at full resolution.

The geometry of the square is the usual evaluation transform: the shorter side is resized to ``size`` (bicubic,
antialiased) and the centre cropped, done as one resampling of the centre square so that a very long image never becomes
a very large one.
"""

from __future__ import annotations

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

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import HEAD, IMAGE, head_of, kind_of
from hpt_ray.data import dicom, ranges, tiff
from hpt_ray.data.picture import Picture, check_extent, form, too_large
from hpt_ray.data.place import Place
from hpt_ray.data.ranges import PLAIN, Look, Reading
from hpt_ray.data.records import Example

#: Pillow's decoders in use; the others (EPS starts an interpreter, for one) must not read untrusted files.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"}
)

#: What Pillow's decoders raise for a corrupt file.
BROKEN = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)

#: What can be opened: ``records.Content`` once a part of a file is read.
Readable = bytes | Path | Image.Image | npt.NDArray[np.uint8]

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
        pixels: uint8 [3, size, size] or, at full resolution, [3, H, W].
        look: What the image shows about how to read the data set, None if that is not in question.
        extent: Its height and width at full resolution, upright.
        form: Its channels and depth, see ``picture.form``.
    """

    pixels: npt.NDArray[np.uint8]
    look: Look | None
    extent: tuple[int, int]
    form: str


def pixels(example: Example, size: int | None, reading: Reading = PLAIN) -> Decoded:
    """Decode one image to a square of ``size`` pixels, or at full resolution where that is None.

    EXIF orientation is applied; transparency is laid over white; of an animation the first frame is taken. Values of
    more than eight bits are scaled by ``reading``.

    Raises:
        DataError: names the image that is missing, corrupt, truncated, or larger than Pillow's limit against
            decompression bombs.
    """
    image = example.image.read(example.where) if isinstance(example.image, Place) else example.image
    try:
        picture = _picture(image, example.where, size)
        look = ranges.look(picture)
        eight = picture.shown
        if picture.values is not None:
            eight = _eight(eight, reading.grey(picture.values, picture.tags))
        if reading.opaque and look is not None and look.soft is not None:
            eight = eight.convert("RGB")  # Pillow drops the band
        decoded = rgb(eight)
        if size is not None:
            decoded = ImageOps.fit(decoded, (size, size), method=Image.Resampling.BICUBIC)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(example.where) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{example.where} is not an image {_instead(image)}.") from error
    except BROKEN as error:
        raise DataError(f"{example.where} cannot be decoded ({error}); mend or remove it.") from error
    # A copy even of one pixel, which lies in order already: what Pillow holds cannot be written to.
    channels = np.array(np.asarray(decoded).transpose(2, 0, 1), order="C")
    return Decoded(channels, look, picture.extent, form(picture))


def _picture(image: Readable, where: str, size: int | None) -> Picture:
    """An image as its file holds it: read by Pillow or, where that cannot hold its pixels, by what can."""
    try:
        return _by_pillow(image, where, size)
    except (UnidentifiedImageError, ValueError):
        head = image[:HEAD] if isinstance(image, bytes) else head_of(image) if isinstance(image, Path) else b""
        for is_one, read in OTHERS:
            if is_one(head) and isinstance(image, bytes | Path):
                return read(image, where)
        raise


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


def rgb(image: Image.Image) -> Image.Image:
    """An image of eight bits, of any mode of Pillow, to RGB: transparency is laid over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


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
    head = b""
    if isinstance(image, bytes):
        head = image[:HEAD]
    elif isinstance(image, Path):
        head = head_of(image)
    if kind := kind_of(head, expected=IMAGE):
        return f"that can be read but {kind.what}: {kind.remedy or 'convert it to PNG or JPEG'}"
    return "that can be read; mend or remove it"
