"""Weighted k-nearest neighbours on frozen features: nothing is trained, so it shows the features as they are.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978), section 3.4:
cosine similarity s, each neighbour votes with exp(s / 0.07). k is chosen on val. Of several labels an image, the score
of a class is the share of the votes, among the neighbours where it is known, that is for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt_ray.core.targets import both
from hpt_ray.training.features import Split
from hpt_ray.training.probe import Answer, Subject, best

TEMPERATURE = 0.07
NEIGHBOURS = (200, 50, 20, 5, 1)
CHUNK = 1024


def probe(subject: Subject) -> list[Answer]:
    """Choose k on val among those that train can fill, predict test with the chosen one."""
    splits = subject.features
    train = splits["train"]
    ks = [k for k in NEIGHBOURS if k <= len(train.labels)]
    predict: Callable[..., list[Any]] = vote if train.targets is None else shares
    candidates = zip(ks, predict(train, splits["val"].features, ks), strict=True)
    k, val = best(candidates, splits["val"].wanted, subject.metric)
    return [Answer(val, predict(train, splits["test"].features, [k])[0], {"k": k})]


def vote(train: Split, queries: NDArray[np.float32], ks: list[int]) -> list[NDArray[np.int64]]:
    """The predicted classes [n] of queries [n, d], for each k."""
    classes = int(train.labels.max()) + 1
    answers: list[list[NDArray[np.int64]]] = [[] for _ in ks]
    for nearest, weights in _nearest(train, queries, max(ks)):
        labels = train.labels[nearest]
        for answer, k in zip(answers, ks, strict=True):
            votes = np.zeros((len(nearest), classes))
            np.add.at(votes, (np.arange(len(nearest))[:, None], labels[:, :k]), weights[:, :k])
            answer.append(votes.argmax(axis=1))
    return [np.concatenate(answer) for answer in answers]


def shares(train: Split, queries: NDArray[np.float32], ks: list[int]) -> list[NDArray[np.float32]]:
    """The scores [n, C] of queries [n, d], for each k; NaN for a class that train has not both values of.

    Where no neighbour's value is known, the share of positives in train says all that is.
    """
    assert train.targets is not None
    learned = both(train.targets)
    usual = (train.targets == 1).sum(axis=0) / np.maximum(1, (train.targets >= 0).sum(axis=0))
    answers: list[list[NDArray[np.float32]]] = [[] for _ in ks]
    for nearest, weights in _nearest(train, queries, max(ks)):
        for answer, k in zip(answers, ks, strict=True):
            targets = train.targets[nearest[:, :k]]
            known, positive = (
                np.einsum("nk,nkc->nc", weights[:, :k], chosen) for chosen in (targets >= 0, targets == 1)
            )
            share = np.divide(positive, known, out=np.broadcast_to(usual, known.shape).copy(), where=known > 0)
            answer.append(np.where(learned, share, np.nan).astype(np.float32))
    return [np.concatenate(answer) for answer in answers]


def _nearest(
    train: Split, queries: NDArray[np.float32], most: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Of each chunk of queries: the nearest training examples [m, most] and the weights of their votes."""
    bank = _unit(train.features)
    for start in range(0, len(queries), CHUNK):
        similarity = _unit(queries[start : start + CHUNK]) @ bank.T
        # A full stable sort, so that ties fall the same way for every k and on every machine.
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, :most]
        # Relative to the nearest: the same ratios between votes, and no underflow.
        near = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
        yield nearest, np.exp((near - near[:, :1]) / TEMPERATURE)


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = features / np.maximum(norms, 1e-12)
    return unit
