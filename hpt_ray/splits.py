"""Train, val and test: given splits are kept, missing ones are made, stratified by class and always the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hpt_ray.errors import DataError
from hpt_ray.identity import stream
from hpt_ray.records import SPLITS

#: Share of the images that a missing split takes; the rest is train. Part of a data set's fingerprint.
RULE = {"val": 0.1, "test": 0.2, "seed": 0}

Indices = npt.NDArray[np.int64]


def complete(spec: str, labels: Indices, given: npt.NDArray[np.str_]) -> dict[str, Indices]:
    """The three splits as sorted indices.

    Without given splits, 70 % train, 10 % val, 20 % test; a split that alone is missing takes its share from the given
    train. Images without a label go to train alone: they serve pretraining, and to hold them out would serve nothing.

    Args:
        spec: Names the data set in an error.
        labels: int64 [N], -1 without label.
        given: "train", "val", "test", or "" where the source gives none [N].

    Raises:
        DataError: if some images have a split and others none, or there are splits but no train.
    """
    names = set(given.tolist())
    if "" in names and len(names) > 1:
        raise DataError(f"{spec}: {int((given == '').sum())} images have no split and the others do; give all or none.")
    if "" not in names and "train" not in names:
        raise DataError(f"{spec} has the splits {', '.join(sorted(names))} but no train images; add a train split.")
    splits = {name: np.flatnonzero(given == name) for name in SPLITS}
    if "" in names:
        splits["train"] = np.arange(len(labels))
    pool = splits["train"][labels[splits["train"]] >= 0]
    missing = [name for name in ("test", "val") if splits[name].size == 0]
    total = len(pool)
    for name in missing:
        count = round(RULE[name] * total)
        splits[name] = _stratified(pool, labels, count, name)
        pool = np.setdiff1d(pool, splits[name])
        splits["train"] = np.setdiff1d(splits["train"], splits[name])
    return splits


def _stratified(pool: Indices, labels: Indices, count: int, name: str) -> Indices:
    """Draw ``count`` of ``pool`` so that each class gives its share, rounded up or down.

    Systematic sampling (Madow 1944) over the images in order of class and at random within it: unlike a draw class by
    class it keeps the total exact and asks for no smallest class.
    """
    if count == 0:
        return pool[:0]
    generator = stream(int(RULE["seed"]), f"split:{name}")
    shuffled = generator.permutation(pool)
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    steps = (np.arange(count) + generator.random()) * (len(pool) / count)
    return np.sort(ordered[steps.astype(np.int64)])


def nested(pool: Indices, labels: Indices, number: int, generator: np.random.Generator) -> Indices:
    """``number`` of ``pool``, sorted: stratified by class, and the smaller subset of one generator within the larger.

    Every class is shuffled, and the ``r``-th of its ``n`` images stands at (r + 1/2) / n of one common order, of which
    the subset is the beginning. Images without a label are a class of their own.
    """
    shuffled = generator.permutation(pool)
    _, members, sizes = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    place = np.empty(len(shuffled))
    for label, size in enumerate(sizes):
        place[members == label] = (np.arange(size) + 0.5) / size
    return np.sort(shuffled[np.argsort(place, kind="stable")][:number])
