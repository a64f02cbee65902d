"""Handwritten digits: 1,797 grey images of 8 x 8 pixels in ten classes, embedded in scikit-learn.

Source: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI (1998).
"""

from __future__ import annotations

import numpy as np

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data.records import Example, Records, Source


def dataset(argument: str | None) -> Source:
    """The digits; takes no argument."""
    if argument:
        raise DataError(f"data set 'digits' takes no argument, not {argument!r}.")
    return Source("digits", content_id(["digits", "scikit-learn", 1]), _read)


def _read() -> Records:
    # Here, because scikit-learn takes a second to import and a cached load needs none of it.
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    examples = [Example(image, f"digit {i}", int(digits.target[i])) for i, image in enumerate(pixels)]
    return Records(len(examples), tuple(str(name) for name in digits.target_names), examples)
