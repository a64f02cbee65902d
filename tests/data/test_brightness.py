"""Nearly constant images, against the standard deviation of numpy."""

from __future__ import annotations

import numpy as np

from hpt_ray.data.brightness import FLAT, are_flat, histogram


def test_images_are_flat_by_numpys_standard_deviation() -> None:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(200, 3, 16, 16)) * generator.uniform(0, 2 * FLAT, (200, 1, 1, 1)) + 128
    images = noise.round().astype(np.uint8)
    images[0], images[1, 0] = 255, 0
    flat = images.std(axis=(2, 3)).max(axis=1) < FLAT
    assert are_flat(np.stack([histogram(image) for image in images])).tolist() == flat.tolist()
    assert 50 < flat.sum() < 150


def test_one_pixel_is_not_flat() -> None:
    assert not are_flat(histogram(np.zeros((3, 1, 1), np.uint8))[None]).any()
