"""A folder of image files of many sizes, kept encoded: windows of scikit-learn's two photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from hpt_ray.data import cache
from hpt_ray.data.dataset import Dataset, load

COUNT, SIZE = 60, 24


def encoded() -> Dataset:
    """``COUNT`` images of two classes, PNG and JPEG, 30 to 90 pixels on a side; squares of ``SIZE`` pixels."""
    folder = cache.root() / "photographs"
    if not folder.exists():
        write(folder)
    return load(str(folder), SIZE, pixels="encoded")


def write(folder: Path, count: int = COUNT, smallest: int = 30, largest: int = 90) -> None:
    rng, photographs = np.random.default_rng(0), load_sample_images().images
    for number in range(count):
        height, width = rng.integers(smallest, largest + 1, 2)
        photograph = photographs[number % 2]
        top, left = rng.integers(photograph.shape[0] - height), rng.integers(photograph.shape[1] - width)
        path = folder / "ab"[number // 2 % 2] / f"{number:04}.{('png', 'jpg')[number // 4 % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photograph[top : top + height, left : left + width]).save(path)
