"""The brightness of the decoded images of a data set: channel statistics, and images that are nearly constant."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: An image is nearly constant if the standard deviation of every channel, on 0 to 255, is smaller.
FLAT = 2.0

Images = npt.NDArray[np.uint8]


def statistics(images: Images, chosen: npt.NDArray[np.int64]) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel, on 0 to 1, of some images; exact, from the histogram of the 256 values.

    Args:
        images: uint8 [N, 3, size, size]. chosen: indices of the images to use.
    """
    counts = np.zeros((3, 256))
    for block in np.array_split(chosen, max(1, len(chosen) // 512)):
        for channel in range(3):
            counts[channel] += np.bincount(images[block, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    total = np.maximum(counts.sum(axis=1), 1)
    mean = counts @ values / total
    std = np.sqrt(np.maximum(counts @ values**2 / total - mean**2, 0))
    # A channel that is constant over the data set must not divide by zero: its standard deviation is set to one grey
    # level.
    return mean.tolist(), np.maximum(std, 1 / 255).tolist()


def flat(images: Images) -> list[str]:
    """A remark on the images [N, 3, size, size] that are nearly constant; no remark if there are none."""
    count = sum(
        int((block.std(axis=(2, 3), dtype=np.float32).max(axis=1) < FLAT).sum())
        for block in np.array_split(images, max(1, len(images) // 512))
    )
    if not count or images[0, 0].size == 1:
        return []
    are = "image is" if count == 1 else "images are"
    return [
        f"{count:,} of {len(images):,} {are} nearly constant (no channel's standard deviation reaches {FLAT:g} of 255)"
    ]
