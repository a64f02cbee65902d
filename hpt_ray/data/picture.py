"""An image as its file holds it, whatever read the file, before its values are scaled to eight bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from hpt_ray.core.errors import DataError


@dataclass(frozen=True)
class Picture:
    """An upright image.

    Attributes:
        shown: The image in eight bits. Where there are ``values``, only its bands and its transparency count.
        values: Its numbers where ``shown`` cannot hold them, since they have more than eight bits or are neither grey
            nor colour: [H, W] or [H, W, C]; else None.
        tags: What its file says of them, as tags of TIFF: SamplesPerPixel, PhotometricInterpretation, GDAL_NODATA.
        notes: What a user should know of how it was read; each completes "3 images ...".
        extent: Its height and width at full resolution, where ``shown`` may be smaller.
    """

    shown: Image.Image
    values: npt.NDArray[Any] | None = None
    tags: Mapping[int, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    extent: tuple[int, int] = field(kw_only=True)


#: What Pillow's modes are; of any other, its own name says it.
MODES = {"1": "black and white", "L": "grey", "I": "grey", "F": "grey", "P": "palette", "LA": "grey with transparency"}
MODES |= {"RGBA": "RGB with transparency", "PA": "palette with transparency"}


def form(picture: Picture) -> str:
    """The channels and the depth of an image in its file: "RGB of 8 bits", "grey of 16 bits", "grey of float"."""
    mode, values = picture.shown.mode, picture.values
    name = "grey" if mode.startswith("I;16") else MODES.get(mode, mode)
    if values is not None and values.ndim == 3 and values.shape[2] != 3:
        name = f"{values.shape[2]} channels"
    if values is None:
        return f"{name} of {'1 bit' if mode == '1' else '8 bits'}"
    return f"{name} of {'float' if values.dtype.kind == 'f' else f'{8 * values.dtype.itemsize} bits'}"


def of_array(pixels: npt.NDArray[Any], tags: Mapping[int, Any] | None = None, notes: tuple[str, ...] = ()) -> Picture:
    """A picture of decoded pixels [H, W] or [H, W, C] of any number type."""
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    height, width = extent = (pixels.shape[0], pixels.shape[1])
    if pixels.dtype == np.uint8 and (pixels.ndim == 2 or pixels.shape[2] == 3):
        return Picture(Image.fromarray(pixels), None, tags or {}, notes, extent=extent)
    blank = Image.new("L" if pixels.ndim == 2 else "RGB", (width, height))
    return Picture(blank, pixels, tags or {}, notes, extent=extent)


def rgb(image: Image.Image) -> Image.Image:
    """An image of eight bits, of any mode of Pillow, to RGB: transparency is laid over white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


def for_a_reader(image: npt.NDArray[np.uint8]) -> Image.Image:
    """A decoded image [C, H, W] as a report shows it: its first three channels in colour; of fewer, the first."""
    return Image.fromarray(np.ascontiguousarray(image[:3].transpose(1, 2, 0) if len(image) > 2 else image[0]))


def check_extent(width: int, height: int, where: str) -> None:
    """Refuse an image before it is decoded.

    Raises:
        DataError: for one without pixels, or with more than Pillow's limit against decompression bombs.
    """
    # Between the limit and twice the limit Pillow only warns, on a channel that threads share.
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        raise too_large(where)
    if min(width, height) < 1:
        raise DataError(f"{where} has no pixels; remove it.")


def too_large(where: str) -> DataError:
    """The error for an image of more pixels than the limit."""
    return DataError(
        f"{where} has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels, the limit against decompression bombs; "
        "scale it down or cut it into tiles."
    )
