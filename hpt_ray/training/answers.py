"""The answers of a probe as the tables of its stage: what was measured, and what was predicted of each test image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hpt_ray.training.probe import Answer, Subject


def measured(subject: Subject, probe: str, answers: list[Answer]) -> list[dict[str, Any]]:
    """The rows of a stage's results: the metric, and below it each class's value where it is the mean of them."""
    data, metric, rows = subject.data, subject.metric, list[dict[str, Any]]()
    for repeat, answer in enumerate(answers):
        for split, predicted in (("val", answer.val), ("test", answer.test)):
            indices = subject.labelled[split]
            wanted = subject.wanted(indices)
            common = {"evaluation": probe, "metric": metric.name, "split": split, "repeat": repeat}
            rows.append({**common, "value": metric.value(predicted, wanted), "n": len(indices)})
            if metric.by_class is not None:
                number = len(data.classes)
                known = (wanted >= 0).sum(axis=0) if metric.multilabel else np.bincount(wanted, minlength=number)
                values = metric.by_class.values(predicted, wanted, number).tolist()
                rows += [
                    {**common, "class": name, "value": None if math.isnan(value) else value, "n": n}
                    for name, value, n in zip(data.classes, values, known.tolist(), strict=True)
                ]
    return rows


def predictions(subject: Subject, probe: str, answers: list[Answer]) -> dict[str, Any]:
    """The columns of a stage's predictions: for each test image and repeat its truth, and what was predicted."""
    data, indices = subject.data, subject.labelled["test"]
    columns: dict[str, Any] = {
        "evaluation": [probe] * (len(answers) * len(indices)),
        "repeat": np.repeat(np.arange(len(answers)), len(indices)),
        "example": np.tile(indices, len(answers)),
    }
    predicted = np.concatenate([answer.test for answer in answers])
    if data.targets is None:
        columns |= {"label": np.tile(data.labels[indices], len(answers)), "prediction": predicted}
    else:
        columns |= {"labels": list(np.tile(data.targets[indices], (len(answers), 1))), "scores": list(predicted)}
    if data.groups is not None:
        columns["group"] = [data.groups.name(image) for image in indices.tolist()] * len(answers)
    return columns
