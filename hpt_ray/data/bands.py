"""The channels of an image that are read where they are chosen: every one, or some by their numbers.

Transparency is no channel. Of eight bits, and beside colours of more, it is laid over white; a band that a TIFF marks
as transparency is left out unless its number is named, since many files mark infrared so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from PIL import Image

from hpt_ray.core.channels import MOST, Channels, spelled
from hpt_ray.core.errors import DataError
from hpt_ray.data.picture import Picture, rgb
from hpt_ray.data.reading import Reading

#: Pillow's modes of one channel, with transparency or without.
GREY = ("1", "L", "LA", "La", "I", "F")


def chosen(picture: Picture, channels: Channels, where: str) -> Picture:
    """An image with values [H, W, C] of the channels that are read, whatever their depth.

    Raises:
        DataError: for an image of more than 16 channels, or one that lacks a band.
    """
    shown, values = picture.shown, picture.values
    if values is None:
        values = np.asarray(rgb(shown))[..., : 1 if shown.mode in GREY else 3]
    elif values.ndim == 2:
        values = values[..., None]
    count = values.shape[2]
    if count > MOST:
        raise DataError(f"{where} has {count} channels, and at most {MOST} can be read: save it with fewer.")
    if isinstance(channels, tuple):
        if max(channels) > count:
            raise DataError(
                f"{where} has {count} channel{'s' if count > 1 else ''}, and channels={spelled(channels)} names number "
                f"{max(channels)}: name others (they count from 1), or write channels=all."
            )
        values = values[..., [band - 1 for band in channels]]
    return dataclasses.replace(picture, values=values)


def planes(picture: Picture, reading: Reading) -> Iterator[Image.Image]:
    """Each channel of an image with values [H, W, C], in eight bits."""
    assert picture.values is not None
    shades = reading.grey(picture.values, picture.tags)
    if picture.values.dtype != np.uint8 and picture.shown.has_transparency_data:
        alpha = np.asarray(picture.shown.convert("RGBA").getchannel("A"))[..., None] / 255
        shades = np.rint(255 - (255 - shades) * alpha).astype(np.uint8)
    for channel in range(shades.shape[2]):
        yield Image.fromarray(np.ascontiguousarray(shades[..., channel]))
