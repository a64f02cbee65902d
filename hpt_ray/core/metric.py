"""What an evaluation measures: a score for each test example, the words for it, and the labels it needs.

A file of ``core/metrics/`` defines ``metric = Metric(...)``, and the metric's name is the file's. Every metric is a
share, from 0 to 1, of which more is better: it is shown in per cent, and differences of it in percentage points.

Here *answers* are what a probe predicted, and *truth* is what they are held against. Of one label per image they are
classes and labels, both int64 [n]; of several labels they are scores float32 [n, C], NaN for a class that could not be
learned, and targets int8 [n, C], 1, 0 or -1 where unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpt_ray.core.registry import load, name_of

Answers = NDArray[Any]
Truth = NDArray[Any]
Values = NDArray[np.float64]

#: What is measured where a study names no metric, by whether images have several labels each.
DEFAULT = {False: "accuracy", True: "auroc"}

#: What a stage measures whose content names no metric: so that the ids of earlier stages stay as they were.
UNSAID = DEFAULT[False]


@dataclass(frozen=True)
class ByClass:
    """The value of each class, for a metric that is the mean of them.

    Args:
        values: (answers, truth, number of classes) -> [classes]; NaN for a class without a value.
        label: what such a value is called in a sentence, such as "recall".
        undefined: why a class has no value, ``{split}`` standing for the split: "{split} has no image of it".
    """

    values: Callable[[Answers, Truth, int], Values]
    label: str
    undefined: str


@dataclass(frozen=True)
class Metric:
    """A metric: how it is computed, and how it is spoken of.

    Args:
        label: its name in a sentence, such as "accuracy".
        plural: the name of several such values, such as "accuracies".
        definition: what it is, to complete "Accuracy is ...".
        multilabel: whether it needs several labels per image; else it needs exactly one.
        scores: (answers, truth) -> [n], the score of each example. Their mean is the metric, and the variance of
            their mean when examples are resampled is that of the metric.
        chance: truth -> the highest value of answers that do not depend on the image.
        by_class: where the metric is the mean of a value for each class, those values.
        caution: what to know about the intervals of the metric itself, a sentence.
        name: the name of its file; ``find`` sets it.
    """

    label: str
    plural: str
    definition: str
    multilabel: bool
    scores: Callable[[Answers, Truth], Values]
    chance: Callable[[Truth], float]
    by_class: ByClass | None = None
    caution: str = ""
    name: str = ""

    def value(self, answers: Answers, truth: Truth) -> float:
        """The metric itself, of all examples."""
        if self.by_class is None:
            return float(np.mean(self.scores(answers, truth)))
        classes = truth.shape[1] if self.multilabel else int(truth.max()) + 1
        return float(np.nanmean(self.by_class.values(answers, truth, classes)))

    @property
    def unit(self) -> str:
        """The unit that values are shown in."""
        return "%"

    @property
    def heading(self) -> str:
        """The label as a sentence or a column begins with it: "Balanced accuracy"."""
        return _capital(self.label)

    @property
    def axis(self) -> str:
        """The label of an axis of values on the test split: "test accuracy, %"."""
        return f"test {self.label}, {self.unit}"

    def worded(self, text: str) -> str:
        """A text with the metric's words for ``{metric}``, ``{metrics}``, ``{Metric}`` and ``{Metrics}``."""
        words = {"metric": self.label, "metrics": self.plural}
        for placeholder, word in words.items():
            text = text.replace(f"{{{placeholder}}}", word)
            text = text.replace(f"{{{_capital(placeholder)}}}", _capital(word))
        return text


def find(name: str) -> Metric:
    """The metric behind a name, or a path to a Python file.

    Raises:
        UnknownNameError: if there is no such metric. StudyError: for a file that cannot be used or defines none.
    """
    metric: Metric = load("metrics", name, Metric)
    return replace(metric, name=name_of(name))


def chosen(metric: str | None, multilabel: bool) -> str:
    """The metric that a study names, or the default of images with several labels or with one."""
    return metric or DEFAULT[multilabel]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
