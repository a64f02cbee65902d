"""Train, val and test: splits of the source are kept, missing ones drawn, stratified by class and always the same.

Where images belong to groups (see ``groups``), groups are drawn and not images, so that no split separates a group.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

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
    rarest = np.where(has.any(axis=1), counts.argmin(axis=1), targets.shape[1])
    return np.where((targets < 0).all(axis=1), -1, rarest).astype(np.int64)


def complete(
    spec: str, labels: Indices, given: npt.NDArray[np.str_], units: Indices | None = None
) -> dict[str, Indices]:
    """The three splits as sorted indices.

    Without given splits, 70 % train, 10 % val, 20 % test; a split that alone is missing takes its share from the given
    train. Images without a label go to train alone: they can be used for pretraining, but not for evaluation.

    With ``units`` the shares are of the groups that have labelled images, at least one group where train keeps one, and
    images without a label go where their group goes.

    Args:
        spec: Names the data set in an error.
        labels: int64 [N], -1 without label.
        given: "train", "val", "test", or "" where the source gives none [N].
        units: int64 [N], the number of the group that each image belongs to; None: every image is alone.

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
    if units is not None:
        return _by_group(splits, missing, labels, units)
    total = len(pool)
    for name in missing:
        count = round(RULE[name] * total)
        splits[name] = _stratified(pool, labels, count, name)
        pool = np.setdiff1d(pool, splits[name])
        splits["train"] = np.setdiff1d(splits["train"], splits[name])
    return splits


def _by_group(
    splits: dict[str, Indices], missing: Sequence[str], labels: Indices, units: Indices
) -> dict[str, Indices]:
    """The splits with the missing ones drawn from the groups of train, where there are enough without those larger than
    the split should be: one large scene must not become nearly all of test."""
    train = splits["train"]
    groups, members = np.unique(units[train], return_inverse=True)
    classes = _majority(labels[train], members, len(groups))
    sizes = np.bincount(members, minlength=len(groups))
    pool = np.flatnonzero(classes >= 0)
    total, images, drawn = len(pool), sizes[pool].sum(), np.full(len(groups), "train")
    for name in missing:
        count = min(max(1, round(RULE[name] * total)), max(0, len(pool) - 1))
        small = pool[sizes[pool] <= RULE[name] * images]
        chosen = _stratified(small if len(small) >= count else pool, classes, count, name, sizes)
        drawn[chosen], pool = name, np.setdiff1d(pool, chosen)
    return splits | {name: train[drawn[members] == name] for name in ("train", *missing)}


def _majority(labels: Indices, members: Indices, number: int) -> Indices:
    """The class of each of ``number`` groups: the most frequent one of its labelled images, -1 without any.

    Args:
        labels: int64 [N], -1 without label.
        members: int64 [N], the group of each image.
    """
    known, kinds = labels >= 0, int(labels.max(initial=0)) + 1
    pairs, counts = np.unique(members[known] * kinds + labels[known], return_counts=True)
    order = np.lexsort((pairs, -counts, pairs // kinds))
    first = np.unique(pairs[order] // kinds, return_index=True)[1]
    classes = np.full(number, -1, dtype=np.int64)
    classes[pairs[order][first] // kinds] = pairs[order][first] % kinds
    return classes


def _stratified(pool: Indices, labels: Indices, count: int, name: str, sizes: Indices | None = None) -> Indices:
    """Draw ``count`` of ``pool`` so that each class gives its share, rounded up or down.

    Systematic sampling (Madow 1944) over the images in order of class and at random within it: unlike a draw class by
    class it keeps the total exact and asks for no smallest class. Groups are drawn in order of their ``sizes`` within a
    class, up and down in turn, so that large and small ones get their share as well.
    """
    if count == 0:
        return pool[:0]
    generator = stream(int(RULE["seed"]), f"split:{name}")
    shuffled = generator.permutation(pool)
    ordered = shuffled[np.argsort(labels[shuffled], kind="stable")]
    if sizes is not None:
        turn = np.where(np.unique(labels[ordered], return_inverse=True)[1] % 2, -1, 1)
        ordered = ordered[np.lexsort((turn * sizes[ordered], labels[ordered]))]
    steps = (np.arange(count) + generator.random()) * (len(pool) / count)
    return np.sort(ordered[steps.astype(np.int64)])


def nested(
    pool: Indices, labels: Indices, number: int, generator: np.random.Generator, units: Indices | None = None
) -> Indices:
    """``number`` of ``pool``, sorted: stratified by class, and the smaller subset of one generator within the larger.

    With ``units``, the groups of all images [N], it takes whole groups, one after the other, but for the last: of that
    as many images as are missing.
    """
    if units is None:
        return np.sort(_order(pool, labels, number, generator))
    groups, members = np.unique(units[pool], return_inverse=True)
    order = _order(np.arange(len(groups)), _majority(labels[pool], members, len(groups)), len(groups), generator)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return np.sort(pool[np.argsort(rank[members], kind="stable")][:number])


def _order(pool: Indices, labels: Indices, number: int, generator: np.random.Generator) -> Indices:
    """The first ``number`` of ``pool`` in an order in which each beginning has its share of each class.

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
    return np.array(chosen, dtype=np.int64)
