"""The brightness of the decoded images of a data set: channel statistics, and images that are nearly constant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: An image is nearly constant if the standard deviation of every channel, on 0 to 255, is smaller.
FLAT = 2.0


def histogram(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """How often each of the 256 values occurs in each channel of an image [C, H, W]: [C, 256]."""
    return np.stack([np.bincount(channel.ravel(), minlength=256) for channel in image]).astype(np.uint32)


def statistics(counts: npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, on 0 to 1, exact from the histogram [C, 256] of some images."""
    values = np.arange(256) / 255
    exact = counts.astype(np.float64)
    total = np.maximum(exact.sum(axis=1), 1)
    mean = exact @ values / total
    std = np.sqrt(np.maximum(exact @ values**2 / total - mean**2, 0))
    # A channel that is constant over the data set must not divide by zero: its standard deviation is set to one grey
    # level.
    return mean.tolist(), np.maximum(std, 1 / 255).tolist()


def are_flat(counts: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """Which images of more than one pixel are nearly constant, from their histograms [N, C, 256]: [N]."""
    exact, values = counts.astype(np.float64), np.arange(256.0)
    pixels = exact.sum(axis=2)
    variance = exact @ values**2 / pixels - (exact @ values / pixels) ** 2
    flat: npt.NDArray[np.bool_] = (variance < FLAT**2).all(axis=1) & (pixels > 1).all(axis=1)
    return flat


def remark(flat: int, count: int) -> list[str]:
    """A remark on how many of the images are nearly constant; no remark if none is."""
    if not flat:
        return []
    are = "image is" if flat == 1 else "images are"
    return [f"{flat:,} of {count:,} {are} nearly constant (no channel's standard deviation reaches {FLAT:g} of 255)"]
