"""Which channels of images are read: red, green and blue, all that they have, or some by their numbers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

#: Red, green and blue: grey is repeated, and of more bands the first three are read.
RGB: Literal[3] = 3
#: More channels are no image that a vision backbone is trained on, and could be a bomb.
MOST = 16

HELP = "write 3 (red, green and blue), all, or two or more numbers of bands, which count from 1, such as 4,3,2"


def _parsed(value: Any) -> Any:
    """3, "all" or the numbers of bands, of what was typed as a list or given in Python."""
    parts = [part.strip() if isinstance(part, str) else part for part in _listed(value)]
    if parts in (["all"], ["3"], [RGB]):
        return "all" if parts == ["all"] else RGB
    try:
        bands = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        raise ValueError(HELP) from None
    if not all(1 <= band <= MOST for band in bands):
        raise ValueError(f"bands count from 1, to {MOST} at most: {HELP}")
    # One number alone would be read as that band by some and as so many channels by others.
    if len(bands) < 2:
        raise ValueError(HELP)
    if len(set(bands)) < len(bands):
        raise ValueError(f"a band is named twice: {HELP}")
    return bands


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split(",")
    return list(value) if isinstance(value, list | tuple) else [value]


#: The bands of a file count from 1, as those of GDAL and rasterio do.
Channels = Annotated[Literal[3, "all"] | tuple[int, ...], BeforeValidator(_parsed)]


def spelled(channels: Channels) -> str:
    """Channels as a user writes them: ``3``, ``all``, ``4,3,2``."""
    return ",".join(map(str, channels)) if isinstance(channels, tuple) else str(channels)
