"""Train, val and test: splits of the source are kept, missing ones drawn, stratified by class and always the same."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import stream
from hpt_ray.data.records import SPLITS

#: Share of the images that a missing split takes; the rest is train. Part of a data set's fingerprint.
RULE = {"val": 0.1, "test": 0.2, "seed": 0}

Indices = npt.NDArray[np.int64]


def strata(labels: Indices, targets: npt.NDArray[np.int8] | None) -> Indices:
    """What splits and subsets are stratified by, int64 [N], -1 without label: the labels where each image has one.

    Of targets [N, C] it is the rarest class that an image has, so that rare classes get their share, or C where it has
    none of them; -1 where all are unknown.
    """
    if targets is None:
        return labels
    has = targets == 1
    counts = np.where(has, has.sum(axis=0), len(targets) + 1)
    found = np.where(has.any(axis=1), counts.argmin(axis=1), targets.shape[1])
    return np.where((targets < 0).all(axis=1), -1, found).astype(np.int64)


def complete(spec: str, labels: Indices, given: npt.NDArray[np.str_]) -> dict[str, Indices]:
    """The three splits as sorted indices.

    Without given splits, 70 % train, 10 % val, 20 % test; a split that alone is missing takes its share from the given
    train. Images without a label go to train alone: they can be used for pretraining, but not for evaluation.

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

    Every class is shuffled, and the ``r``-th of its ``n`` images, of N in all, comes among the first
    ceil((r + 1) N / n) of one common order but not among the first floor(r N / n). So each beginning of it has of each
    class its share, rounded up or down: earliest deadline first always finds such an order (Baruah et al. 1996,
    proportionate progress). Images without a label are a class of their own.
    """
    shuffled = generator.permutation(pool)
    _, first, members, sizes = np.unique(labels[shuffled], return_index=True, return_inverse=True, return_counts=True)
    images = [iter(shuffled[members == label].tolist()) for label in range(len(sizes))]
    total = len(shuffled)
    # (not before, class, how many of it before); of equal deadlines the class that the shuffle has first.
    waiting = [(0, label, 0) for label in range(len(sizes))]
    ready: list[tuple[int, int, int, int]] = []
    chosen: list[int] = []
    for place in range(min(number, total)):
        while waiting and waiting[0][0] <= place:
            _, label, rank = heapq.heappop(waiting)
            heapq.heappush(ready, (-(-(rank + 1) * total // int(sizes[label])), int(first[label]), label, rank))
        _, _, label, rank = heapq.heappop(ready)
        chosen.append(next(images[label]))
        if rank + 1 < sizes[label]:
            heapq.heappush(waiting, ((rank + 1) * total // int(sizes[label]), label, rank + 1))
    return np.sort(np.array(chosen, dtype=np.int64))
