"""Fine-tuning, the paper's transferability: the whole network trained with labels, with all of them or with few.

Reed et al. (arXiv 2103.12718) and its configurations: SGD with momentum 0.9 and no weight decay, lr 0.01 or 0.001 and a
hundred times that for the head, lr / 10 at 1/3 and 2/3, batches of 256, batch norm in train mode.

Val chooses among the two learning rates and two budgets, ``iterations`` and a quarter of them, each with its whole
schedule; of a run it is the last state that counts (the paper takes the best on val of every 100 iterations). With
``labels`` given, val chooses with no more labels than that: a choice by the full val split, as in the paper, spends
labels that a low-label study says it does not have. (The accuracy on val that is reported is of the full split.)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn
from torch.nn.functional import cross_entropy

from hpt_ray.dataset import Dataset
from hpt_ray.errors import StudyError
from hpt_ray.identity import stream
from hpt_ray.splits import nested
from hpt_ray.study import Positive
from hpt_ray.training.features import outputs
from hpt_ray.training.method import precision_context
from hpt_ray.training.probe import Answer, Subject, best, single_label
from hpt_ray.training.probes._training import LabelledBatches, check_finite, decide, new_classifier, steps

NAME = "finetune"
#: Gentlest first: of equally good ones on val, the candidate wins that changes the network least.
LEARNING_RATES = (0.001, 0.01)
HEAD = 100
SHORT = 4


def probe(
    subject: Subject,
    labels: Annotated[int, Field(ge=0)] = 0,
    iterations: Annotated[int, Field(ge=SHORT)] = 2_500,
    batch: Annotated[int, Field(ge=2)] = 256,
    repeats: Positive = 1,
) -> list[Answer]:
    """Fine-tune copies of the backbone, ``repeats`` times with another subset, start and draws.

    ``labels`` is the number of labelled training images, 0 for all: of one repeat the smaller subset lies within the
    larger, and each class has its share.

    Raises:
        StageError: if every candidate diverges.
    """
    return [_choose(subject, labels, iterations, batch, repeat) for repeat in range(repeats)]


def check(data: Dataset, options: Mapping[str, Any]) -> None:
    """Refuse multi-label data, and more labels than there are. Raises StudyError."""
    single_label(data, "fine-tuning")
    labels, available = options.get("labels", 0), len(data.evaluation()["train"])
    if labels and not 2 <= labels <= available:
        raise StudyError(
            f"fine-tuning with {labels} labels on {data.spec}, which has {available} labelled training images: "
            f"give 2 to {available}, or 0 for all."
        )


def subset(subject: Subject, split: str, labels: int, repeat: int) -> NDArray[np.int64]:
    """Sorted indices of the labelled images of a split that a repeat may see; all of them where ``labels`` is 0."""
    pool = subject.labelled[split]
    if labels == 0:
        return pool
    generator = stream(repeat, "labels" if split == "train" else f"{split} labels")
    return nested(pool, subject.data.labels, min(labels, len(pool)), generator)


def _choose(subject: Subject, labels: int, iterations: int, batch: int, repeat: int) -> Answer:
    batches = LabelledBatches(subject, subset(subject, "train", labels, repeat), batch, repeat, NAME)
    val = subset(subject, "val", labels, repeat)
    (chosen, network), predicted = best(_candidates(batches, iterations, val), subject.data.labels[val])
    check_finite(predicted, "fine-tuning")
    answers = {split: _predict(network, subject, subject.labelled[split]) for split in ("val", "test")}
    return Answer(answers["val"], answers["test"], chosen)


def _candidates(
    batches: LabelledBatches, iterations: int, val: NDArray[np.int64]
) -> Iterator[tuple[tuple[dict[str, Any], nn.Module], NDArray[np.int64]]]:
    for budget in (iterations // SHORT, iterations):
        for lr in LEARNING_RATES:
            network = tune(batches, lr, budget)
            yield ({"lr": lr, "iterations": budget}, network), _predict(network, batches.subject, val)


def tune(batches: LabelledBatches, lr: float, iterations: int) -> nn.Module:
    """A fine-tuned copy of the subject's backbone with a classifier on it: [n, 3, S, S] -> [n, classes]."""
    subject = batches.subject
    backbone, head = copy.deepcopy(subject.backbone), new_classifier(subject, batches.repeat, NAME)
    network = nn.Sequential(backbone, head).requires_grad_(True).train()
    network.to(subject.device).to(memory_format=torch.channels_last)
    groups: list[dict[str, Any]] = [{"params": backbone.parameters()}, {"params": head.parameters(), "lr": HEAD * lr}]
    optimiser = torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True)
    schedule = steps(optimiser, iterations)
    for iteration in range(iterations):
        images, labels = batches(iteration)
        with precision_context(subject.device, subject.precision):
            loss = cross_entropy(network(images).float(), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return network


def _predict(network: nn.Module, subject: Subject, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return decide(outputs(network, subject.data, indices, subject.image_size, subject.device))
