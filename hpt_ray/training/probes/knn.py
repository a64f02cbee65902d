"""Weighted k-nearest neighbours on frozen features: nothing is trained, so it shows the features as they are.

Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination" (arXiv 1805.01978), section 3.4:
cosine similarity s, each neighbour votes with exp(s / 0.07). k is chosen on val.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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
    candidates = zip(ks, vote(train, splits["val"].features, ks), strict=True)
    k, val = best(candidates, splits["val"].labels)
    return [Answer(val, vote(train, splits["test"].features, [k])[0], {"k": k})]


def vote(train: Split, queries: NDArray[np.float32], ks: list[int]) -> list[NDArray[np.int64]]:
    """The predicted classes [n] of queries [n, d], for each k."""
    bank, classes = _unit(train.features), int(train.labels.max()) + 1
    answers: list[list[NDArray[np.int64]]] = [[] for _ in ks]
    for start in range(0, len(queries), CHUNK):
        similarity = _unit(queries[start : start + CHUNK]) @ bank.T
        # A full stable sort, so that ties fall the same way for every k and on every machine.
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : max(ks)]
        # Relative to the nearest: the same ratios between votes, and no underflow.
        near = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
        weights = np.exp((near - near[:, :1]) / TEMPERATURE)
        labels = train.labels[nearest]
        for answer, k in zip(answers, ks, strict=True):
            votes = np.zeros((len(near), classes))
            np.add.at(votes, (np.arange(len(near))[:, None], labels[:, :k]), weights[:, :k])
            answer.append(votes.argmax(axis=1))
    return [np.concatenate(answer) for answer in answers]


def _unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    unit: NDArray[np.float32] = features / np.maximum(norms, 1e-12)
    return unit
