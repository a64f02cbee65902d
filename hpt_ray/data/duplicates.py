"""Images that look the same although their bytes differ: a perceptual hash of 64 bits, and the pairs that are near.

A copy that was compressed again, scaled or brightened has another content hash and nearly the same perceptual hash.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dct

from hpt_ray.core.channels import RGB
from hpt_ray.core.identity import NEAR_BITS

Hashes = npt.NDArray[np.uint64]

# Two images are near-duplicates when their hashes differ in at most ``NEAR_BITS`` bits. Measured at 32 and at 64 px:
#
# - Of 171 million pairs from different ones of cifar10, rsscn7, pacs_photo, pacs_sketch, brain_mri, digits and three
#   synthetic domains none is as near; within 6 bits are three pairs, and within 8 are 34.
# - Of copies that were saved as JPEG of quality 75, halved, enlarged, made grey or given less contrast, at least 99 %
#   are found; of quality 30, 88 to 100 %; a fifth brighter, 82 to 100 %. Crops escape: without the outermost pixel on
#   each side 28 % are found of cifar10 and 58 to 96 % of the others, without the outermost 3 % 11 to 55 %. Copies that
#   were mirrored or rotated are not looked for.
# - Within a data set, similar shapes are as near where there is little else in a picture: guitars of pacs_sketch (210
#   of 2.5 million pairs of a test and another image), digits (25 of 0.5 million).

#: Side of the picture that is transformed, and of the block of low frequencies that is kept.
SIDE, LOW = 32, 8
#: ITU-R 601-2 luma, as Pillow makes grey.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
#: No hash of a picture, since half the bits of one are set.
FLAT = np.uint64(0)
#: Pixels hashed, and pairs compared, at a time: the pixels stay in the processor's cache.
PIXELS, PAIRS = 1 << 18, 1 << 22


def perceptual(images: npt.NDArray[np.uint8]) -> Hashes:
    """The perceptual hash of each image: the signs of its low frequencies (pHash; Zauner 2010, section 3.2.1).

    The grey image is scaled to 32 x 32, and each of the 8 x 8 lowest coefficients of its discrete cosine transform is a
    bit: whether it is above their median. So half the bits are set, and two hashes differ in an even number of them. It
    is the ``phash`` of the package imagehash but for rounding: that rounds after making grey and after scaling, and
    this never does. At 32 px about nine of ten hashes are equal and the others 2 bits apart; at 64 px, up to 6.

    Args:
        images: uint8 [N, C, S, S]: RGB, or of other than three channels, of which grey is the mean.

    Returns:
        [N], with ``FLAT`` for an image without any low frequency: what rounding leaves of one would give a random hash.
    """
    # Scaling and transform are linear: together they are one matrix, applied from both sides.
    channels, size = images.shape[1], images.shape[-1]
    weights = LUMA if channels == RGB else np.full(channels, 1 / channels, dtype=np.float32)
    scaling = Image.fromarray(np.eye(size, dtype=np.float32)).resize((size, SIDE), Image.Resampling.LANCZOS)
    low = np.ascontiguousarray(dct(np.asarray(scaling), axis=0, norm="ortho")[:LOW])
    hashes_of_all = np.empty(len(images), dtype=np.uint64)
    block = max(1, PIXELS // size**2)
    for start in range(0, len(images), block):
        colors = images[start : start + block].reshape(-1, channels, size * size).astype(np.float32)
        grey = (weights @ colors).reshape(-1, size, size)
        coefficients = (low @ grey @ low.T).reshape(-1, LOW * LOW)
        bits = coefficients > np.median(coefficients, axis=1, keepdims=True)
        # Rounding to 8 bits leaves coefficients with a standard deviation of 0.29.
        flat = np.abs(coefficients[:, 1:]).max(axis=1) < 1
        hashes = np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
        hashes_of_all[start : start + block] = np.where(flat, FLAT, hashes)
    return hashes_of_all


def near(some: Hashes, others: Hashes) -> Hashes:
    """Every pair of hashes, one of each side, that differ in at most ``NEAR_BITS`` bits: [P, 2], each pair once.

    Of ``NEAR_BITS`` + 1 bands of bits at least one is equal in such a pair, so only hashes that share one are compared
    (the pigeonhole principle). A band has bits of all frequencies, since those of neighbouring ones go together. So one
    in a thousand pairs of photographs is compared: a million against 50,000 take a core some five seconds.
    """
    some, others = (np.setdiff1d(side, [FLAT]) for side in (some, others))
    pairs = [np.empty((0, 2), dtype=np.uint64)]
    for band in range(NEAR_BITS + 1):
        mask = np.uint64(sum(1 << bit for bit in range(band, 64, NEAR_BITS + 1)))
        order = np.argsort(others & mask)
        keys = (others & mask)[order]
        first = np.searchsorted(keys, some & mask, side="left")
        count = np.searchsorted(keys, some & mask, side="right") - first
        ends = np.cumsum(count)
        for start in range(0, int(ends[-1]) if len(ends) else 0, PAIRS):
            candidates = np.arange(start, min(start + PAIRS, ends[-1]))
            first_index = np.searchsorted(ends, candidates, side="right")
            second_index = order[first[first_index] + candidates - (ends[first_index] - count[first_index])]
            both = np.stack([some[first_index], others[second_index]], axis=1)
            pairs.append(both[np.bitwise_count(both[:, 0] ^ both[:, 1]) <= NEAR_BITS])
    return np.unique(np.concatenate(pairs), axis=0)
