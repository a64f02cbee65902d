from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from hpt_ray.training.probes import _nearest
from hpt_ray.training.probes._nearest import largest, largest_of_tensor, nearest, search_arrays, search_tensors

#: Few different values, so that most are equal to others; two zeros, which are equal, and one that is no number.
TIED = st.sampled_from([0.5, 0.25, 1e-30, 0.0, -0.0, -1e-30, -0.5, float("nan")])
ANY = st.floats(-1, 1, width=32)


def sorted_places(values: NDArray[Any], most: int) -> NDArray[Any]:
    """By a full stable sort, as version 0.1.0 did."""
    return np.argsort(-values, axis=-1, kind="stable")[..., :most]


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 60))
def test_the_largest_are_those_of_a_stable_sort(data: st.DataObject, n: int) -> None:
    values = data.draw(arrays(np.float32, (3, n), elements=data.draw(st.sampled_from([TIED, ANY]))))
    most = data.draw(st.integers(1, n))
    expected = sorted_places(values, most)
    np.testing.assert_array_equal([largest(row, most) for row in values], expected)
    np.testing.assert_array_equal(largest_of_tensor(torch.from_numpy(values), most).numpy(), expected)


@pytest.mark.parametrize("equal", [10, 1_000, 20_000])
def test_many_equals_around_the_last_place(equal: int) -> None:
    """As copies of an image have them, or a network whose features have collapsed."""
    values = np.random.default_rng(0).normal(size=(4, 20_000)).astype(np.float32)
    values[:, np.random.default_rng(1).permutation(20_000)[:equal]] = 3.0
    expected = sorted_places(values, 200)
    np.testing.assert_array_equal([largest(row, 200) for row in values], expected)
    np.testing.assert_array_equal(largest_of_tensor(torch.from_numpy(values), 200).numpy(), expected)


@pytest.fixture
def features() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(300, 16)).astype(np.float32), rng.normal(size=(50, 16)).astype(np.float32)


@pytest.mark.parametrize("rows_at_once", [1, 7, 50])
def test_it_finds_what_scikit_learn_finds_however_many_are_looked_up_at_once(
    features: tuple[NDArray[np.float32], NDArray[np.float32]], rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, queries = features
    monkeypatch.setattr(_nearest, "BYTES", rows_at_once * len(bank) * 4)
    chunks = list(nearest(bank, queries, 20))
    assert [len(rows) for rows, _ in chunks[:-1]] == [rows_at_once] * (len(chunks) - 1)
    reference = NearestNeighbors(n_neighbors=20, metric="cosine").fit(bank.astype(np.float64))
    distances, expected = reference.kneighbors(queries.astype(np.float64))
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in chunks]), expected)
    np.testing.assert_allclose(np.concatenate([near for _, near in chunks]), 1 - distances, atol=1e-6)


def test_tensors_find_what_arrays_find(features: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    bank, queries = features
    bank, queries = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (bank, queries))
    bank = np.concatenate([bank, bank[:100]])  # copies, which are equally near
    rows, similarity = search_arrays(bank, queries, 40)
    again, other = search_tensors(torch.from_numpy(bank), queries, 40)
    np.testing.assert_array_equal(again, rows)
    np.testing.assert_allclose(other, similarity, atol=1e-6)
