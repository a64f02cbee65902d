from __future__ import annotations

import io
from collections.abc import Callable

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hpt_ray.core.identity import NEAR_BITS
from hpt_ray.data import duplicates
from hpt_ray.data.dataset import load
from hpt_ray.data.duplicates import FLAT, near, perceptual

Images = NDArray[np.uint8]


def drawn(size: int) -> Images:
    return np.asarray(load("synthetic:aerial,n=200", size).images)


def pictures(images: Images) -> list[Image.Image]:
    return [Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in images]


@pytest.mark.parametrize(("size", "apart"), [(32, 2), (64, 6)])
def test_hashes_are_those_of_imagehash_but_for_its_rounding(size: int, apart: int) -> None:
    images = drawn(size)
    theirs = [int(str(imagehash.phash(picture)), 16) for picture in pictures(images)]
    distances = np.bitwise_count(perceptual(images) ^ np.array(theirs, dtype=np.uint64))
    assert distances.max() <= apart
    assert (distances == 0).mean() > 0.7


def test_a_hash_does_not_depend_on_the_images_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    images = drawn(32)
    whole = perceptual(images)
    monkeypatch.setattr(duplicates, "PIXELS", 7 * 32 * 32)
    assert np.array_equal(perceptual(images), whole)
    assert (np.bitwise_count(whole) == 32).all()


def jpeg(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=75)
    return Image.open(file)


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "compressed": jpeg,
    "halved": lambda picture: picture.resize((16, 16), Image.Resampling.BICUBIC).resize((32, 32)),
    "brighter": lambda picture: picture.point(lambda value: min(255, round(1.2 * value))),
}


@pytest.mark.parametrize("copy", COPIES)
def test_most_copies_are_near_and_no_other_images(copy: str) -> None:
    images = drawn(32)
    made = np.stack([np.asarray(COPIES[copy](picture).convert("RGB")) for picture in pictures(images)])
    own, copies = perceptual(images), perceptual(made.transpose(0, 3, 1, 2))
    distances = np.bitwise_count(own[:, None] ^ copies[None])
    assert (distances.diagonal() <= NEAR_BITS).mean() > 0.9
    assert (distances[~np.eye(len(own), dtype=bool)] > NEAR_BITS).all()


def test_flat_images_are_no_ones_duplicates() -> None:
    flat = np.broadcast_to(np.array([0, 128, 255], np.uint8)[:, None, None, None], (3, 3, 33, 33))
    noisy = flat[1:2] + np.random.default_rng(0).integers(0, 2, (1, 3, 33, 33), dtype=np.uint8)
    hashes = perceptual(np.concatenate([flat, noisy]))
    assert (hashes == FLAT).all()
    assert len(near(hashes, hashes)) == 0


@pytest.mark.parametrize("pairs", [1 << 22, 50])
def test_near_finds_what_comparing_all_finds(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes with bits that go together, as those of images have, and others some bits away from them."""
    monkeypatch.setattr(duplicates, "PAIRS", pairs)
    rng = np.random.default_rng(1)
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    bits = rng.random((500, 64)) < np.where(np.arange(64) < 16, 0.9, 0.5)
    flipped = bits[rng.integers(0, 400, 700)]
    for row, count in zip(flipped, rng.integers(0, 9, len(flipped)), strict=True):
        row[rng.choice(64, count, replace=False)] ^= True
    some, others = (np.r_[side @ weights, FLAT].astype(np.uint64) for side in (bits, flipped))
    distances = np.bitwise_count(some[:, None] ^ others[None])
    expected = {
        (some[i], others[j]) for i, j in np.argwhere(distances <= NEAR_BITS) if FLAT not in (some[i], others[j])
    }
    assert len(expected) > 200
    assert len({int(distance) for distance in distances[distances <= NEAR_BITS]}) == NEAR_BITS + 1
    found = near(some, others)
    assert found.dtype == np.uint64
    assert len(found) == len(expected)
    assert set(map(tuple, found)) == expected


def test_nothing_is_near_nothing() -> None:
    nothing, some = np.empty(0, np.uint64), np.array([7], np.uint64)
    for pair in ((nothing, some), (some, nothing), (nothing, nothing)):
        assert near(*pair).shape == (0, 2)
