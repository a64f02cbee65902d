from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from hpt_ray.core.errors import DataError
from hpt_ray.data.dataset import load


def test_digits_at_their_own_size_are_scikit_learns() -> None:
    data, reference = load("digits", 8), load_digits()
    assert data.images.shape == (1797, 3, 8, 8)
    assert np.array_equal(np.rint(data.images[:, 0] / 255 * 16), reference.images)
    assert np.array_equal(data.images[:, 0], data.images[:, 2])
    assert np.array_equal(data.labels, reference.target)
    assert data.classes == tuple("0123456789")


def test_digits_take_no_argument() -> None:
    with pytest.raises(DataError, match="takes no argument"):
        load("digits:8", 8)
