"""Weighted k-nearest neighbours on frozen features: nothing is trained, so it shows the features as they are.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978), section 3.4:
cosine similarity s, each neighbour votes with exp(s / 0.07). k is chosen on val. Of several labels an image, the score
of a class is the share of the votes, among the neighbours where it is known, that is for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpt_ray.core.targets import both
from hpt_ray.training.features import Split
from hpt_ray.training.probe import Answer, Subject, best
from hpt_ray.training.probes._nearest import CPU, nearest

TEMPERATURE = 0.07
NEIGHBOURS = (200, 50, 20, 5, 1)


def probe(subject: Subject) -> list[Answer]:
    """Choose k on val among those that train can fill, predict test with the chosen one."""
    splits = subject.features
    train = splits["train"]
    ks = [k for k in NEIGHBOURS if k <= len(train.labels)]
    predict: Callable[..., list[Any]] = vote if train.targets is None else shares
    candidates = zip(ks, predict(train, splits["val"].features, ks, subject.device), strict=True)
    k, val = best(candidates, splits["val"].wanted, subject.metric)
    return [Answer(val, predict(train, splits["test"].features, [k], subject.device)[0], {"k": k})]


def vote(
    train: Split, queries: NDArray[np.float32], ks: list[int], device: torch.device = CPU
) -> list[NDArray[np.int64]]:
    """The predicted classes [n] of queries [n, d], for each k."""
    classes = int(train.labels.max()) + 1
    answers: list[list[NDArray[np.int64]]] = [[] for _ in ks]
    for rows, weights in _neighbours(train, queries, max(ks), device):
        labels = train.labels[rows]
        for answer, k in zip(answers, ks, strict=True):
            votes = np.zeros((len(rows), classes))
            np.add.at(votes, (np.arange(len(rows))[:, None], labels[:, :k]), weights[:, :k])
            answer.append(votes.argmax(axis=1))
    return [np.concatenate(answer) for answer in answers]


def shares(
    train: Split, queries: NDArray[np.float32], ks: list[int], device: torch.device = CPU
) -> list[NDArray[np.float32]]:
    """The scores [n, C] of queries [n, d], for each k; NaN for a class that train has not both values of.

    Where no neighbour's value is known, the share of positives in train says all that is.
    """
    assert train.targets is not None
    learned = both(train.targets)
    usual = (train.targets == 1).sum(axis=0) / np.maximum(1, (train.targets >= 0).sum(axis=0))
    answers: list[list[NDArray[np.float32]]] = [[] for _ in ks]
    for rows, weights in _neighbours(train, queries, max(ks), device):
        for answer, k in zip(answers, ks, strict=True):
            targets = train.targets[rows[:, :k]]
            known, positive = (
                np.einsum("nk,nkc->nc", weights[:, :k], chosen) for chosen in (targets >= 0, targets == 1)
            )
            share = np.divide(positive, known, out=np.broadcast_to(usual, known.shape).copy(), where=known > 0)
            answer.append(np.where(learned, share, np.nan).astype(np.float32))
    return [np.concatenate(answer) for answer in answers]


def _neighbours(
    train: Split, queries: NDArray[np.float32], most: int, device: torch.device
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Of each chunk of queries: the nearest training examples [m, most] and the weights of their votes."""
    for rows, similarity in nearest(train.features, queries, most, device):
        near = similarity.astype(np.float64)
        # Relative to the nearest: the same ratios between votes, and no underflow.
        yield rows, np.exp((near - near[:, :1]) / TEMPERATURE)
