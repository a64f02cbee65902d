"""The interface of a probe: its input, weights on a data set, and its answers.

A file of ``probes/`` defines ``probe(subject, **options) -> list[Answer]``, one answer per repeat. The annotations of
the options, such as ``Annotated[int, Field(gt=0)]``, are checked before anything is trained; what needs the data is
checked there by ``check(data, options)``, where the file defines it, which raises StudyError. Where it passes images
through the network beside those for frozen features, ``passes(data, options)`` tells how many, all options given.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar, get_type_hints

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from hpt_ray.core import registry
from hpt_ray.core.errors import StudyError, explain
from hpt_ray.core.metric import Metric, chosen, find
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.study import Evaluation
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.features import Split, extract

Chosen = TypeVar("Chosen")
Found = TypeVar("Found")
Predicted = NDArray[np.int64] | NDArray[np.float32]
#: Forward passes that the training of a network on an image takes as long as: backwards is twice as much work.
TRAINED = 3


@dataclass(frozen=True, eq=False)
class Subject:
    """A backbone to be evaluated on a data set; several probes share it, so none may change a number of it.

    ``precision`` (float32 or bfloat16) is what a probe that passes augmented images through the network trains in;
    ``measured_by`` is the name of the metric that val chooses by, None for the default of the data's labels.
    """

    backbone: Backbone
    data: Dataset
    image_size: int
    device: torch.device
    precision: str = "float32"
    measured_by: str | None = None

    @cached_property
    def metric(self) -> Metric:
        """What a probe maximises on val, and what is measured on test."""
        return find(chosen(self.measured_by, self.data.multilabel))

    @cached_property
    def features(self) -> dict[str, Split]:
        """Frozen features of the labelled images of every split, in float32: extracted once, when first asked for."""
        return extract(self.backbone, self.data, self.image_size, self.device)

    @cached_property
    def labelled(self) -> dict[str, NDArray[np.int64]]:
        """Sorted indices of the labelled images of every split."""
        return self.data.evaluation()

    def wanted(self, indices: NDArray[np.int64]) -> NDArray[Any]:
        """The truth for some images: their labels [n], or their targets [n, C]."""
        data = self.data
        return data.labels[indices] if data.targets is None else data.targets[indices]


@dataclass(frozen=True)
class Answer:
    """Predictions for the labelled val and test images, and the setting that val chose.

    They are classes [n] int64 or, of multi-label data, scores [n, C] float32: the higher, the likelier that an image
    has the class; NaN for a class that train has not both values of, which cannot be learned.
    """

    val: Predicted
    test: Predicted
    chosen: dict[str, Any]


def best(candidates: Iterable[tuple[Chosen, Found]], wanted: NDArray[Any], metric: Metric) -> tuple[Chosen, Found]:
    """The candidate with the best metric on val; of equals the first, so list the simplest first.

    Candidates that come one by one are dropped as soon as a better one is known.
    """
    return max(candidates, key=lambda candidate: metric.value(np.asarray(candidate[1]), wanted))


def check_options(evaluation: Evaluation) -> None:
    """Check the options of an evaluation against the signature of its probe.

    Raises:
        StudyError: for an option that the probe does not have, or a value that its annotation excludes.
    """
    what = f"evaluation {evaluation.name!r}"
    probe = registry.load("probes", evaluation.probe)
    signature = inspect.signature(probe)
    options = ", ".join(list(signature.parameters)[1:]) or "none"
    try:
        signature.bind(None, **evaluation.options)
        hints = get_type_hints(probe, include_extras=True)
        for name in [name for name in evaluation.options if name in hints]:
            # Strict, as the probe gets the value unchanged: 100.0 is not an integer.
            TypeAdapter(hints[name]).validate_python(evaluation.options[name], strict=True)
    except (TypeError, NameError) as error:
        raise StudyError(f"{what}: {error}; its options: {options}.") from error
    except ValidationError as error:
        raise StudyError(f"{what}: {name}={evaluation.options[name]}: {explain(error)}.") from error


def check_data(evaluation: Evaluation, data: Dataset) -> None:
    """Check the options of an evaluation against a target, if its probe can. Raises StudyError if they do not fit."""
    check = getattr(registry.module("probes", evaluation.probe), "check", None)
    if check is not None:
        check(data, evaluation.options)
