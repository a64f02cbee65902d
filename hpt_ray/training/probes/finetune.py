"""Fine-tuning, the paper's transferability: the whole network trained with labels, with all of them or with few.

Reed et al. (arXiv 2103.12718) and its configurations: SGD with momentum 0.9 and no weight decay, lr 0.01 or 0.001 and a
hundred times that for the head, lr / 10 at 1/3 and 2/3, batches of 256, batch norm in train mode. Those rates are for
thousands of iterations; tens want a larger one for the network and a smaller factor for the head.

Val chooses among the two learning rates and two budgets, ``iterations`` and a quarter of them, each with its whole
schedule; of a run it is the last state that counts (the paper takes the best on val of every 100 iterations). With
``labels`` given, val chooses with no more labels than that: a choice by the full val split, as in the paper, spends
labels that a low-label study says it does not have. (What is reported of val is of the full split.)
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

from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import stream
from hpt_ray.core.targets import both
from hpt_ray.data.dataset import Dataset
from hpt_ray.data.splits import nested
from hpt_ray.spec.recipe import Positive
from hpt_ray.training.features import outputs
from hpt_ray.training.method import precision_context
from hpt_ray.training.probe import TRAINED, Answer, Subject, best
from hpt_ray.training.probes._training import LabelledBatches, loss, new_classifier, steps, usable

NAME = "finetune"
#: What ``lr`` is divided by, gentlest first: of equally good ones on val, the one wins that changes the network least.
DIVISORS = (10, 1)
HEAD = 100.0
SHORT = 4


def probe(
    subject: Subject,
    labels: Annotated[int, Field(ge=0)] = 0,
    iterations: Annotated[int, Field(ge=SHORT)] = 2_500,
    batch: Annotated[int, Field(ge=2)] = 256,
    lr: Annotated[float, Field(gt=0)] = 0.01,
    head: Annotated[float, Field(gt=0)] = HEAD,
    repeats: Positive = 1,
) -> list[Answer]:
    """Fine-tune copies of the backbone, ``repeats`` times with another subset, start and draws.

    ``labels`` is the number of labelled training images, 0 for all: of one repeat the smaller subset lies within the
    larger, and each class has its share. ``lr`` is the larger learning rate of the two, ``head`` times that the head's.

    Raises:
        StageError: if every candidate diverges.
    """
    answers = []
    for repeat in range(repeats):
        train, judges = (subset(subject.data, split, labels, repeat) for split in ("train", "val"))
        batches = LabelledBatches(subject, train, batch, repeat, NAME)
        tried = usable(_candidates(batches, judges, iterations, lr, head), batches, "fine-tuning")
        (chosen, network), _ = best(tried, subject.wanted(judges), subject.metric)
        val, test = (batches.decide(_predict(network, subject, subject.labelled[split])) for split in ("val", "test"))
        answers.append(Answer(val, test, chosen))
    return answers


def check(data: Dataset, options: Mapping[str, Any]) -> None:
    """Refuse more labels than there are, and so few of multi-label data that no class is learned or val cannot choose.

    Raises StudyError.
    """
    labels, available = options.get("labels", 0), len(data.evaluation()["train"])
    if labels and not 2 <= labels <= available:
        raise StudyError(
            f"fine-tuning with {labels} labels on {data.spec}, which has {available} labelled training images: "
            f"give 2 to {available}, or 0 for all."
        )
    if data.targets is None:
        return
    for repeat in range(options.get("repeats", 1)):
        train, val = (both(data.targets[subset(data, split, labels, repeat)]) for split in ("train", "val"))
        if not (train & val).any():
            raise StudyError(
                f"fine-tuning with {labels} labels on {data.spec}: no class has both positives and negatives among "
                "those of train and those of val: give more labels."
            )


def passes(data: Dataset, options: Mapping[str, Any]) -> int:
    """Every candidate's iterations over a batch, forwards and backwards."""
    batch = min(options["batch"], options["labels"] or len(data.evaluation()["train"]))
    iterations = options["iterations"] + options["iterations"] // SHORT
    return TRAINED * int(options["repeats"] * len(DIVISORS) * iterations * batch)


def subset(data: Dataset, split: str, labels: int, repeat: int) -> NDArray[np.int64]:
    """Sorted indices of the labelled images of a split that a repeat may see; all of them where ``labels`` is 0."""
    pool = data.evaluation()[split]
    if labels == 0:
        return pool
    generator = stream(repeat, "labels" if split == "train" else f"{split} labels")
    return nested(pool, data.strata, min(labels, len(pool)), generator)


def _candidates(
    batches: LabelledBatches, judges: NDArray[np.int64], iterations: int, lr: float, head: float
) -> Iterator[tuple[tuple[dict[str, Any], nn.Module], NDArray[np.float32]]]:
    for budget in (iterations // SHORT, iterations):
        for divisor in DIVISORS:
            network = tune(batches, lr / divisor, budget, head)
            chosen = {"lr": lr / divisor, "iterations": budget}
            yield (chosen, network), _predict(network, batches.subject, judges)


def tune(batches: LabelledBatches, lr: float, iterations: int, head: float = HEAD) -> nn.Module:
    """A fine-tuned copy of the subject's backbone with a classifier on it: [n, C, S, S] -> [n, classes]."""
    subject = batches.subject
    backbone, classifier = copy.deepcopy(subject.backbone), new_classifier(subject, batches.repeat, NAME)
    network = nn.Sequential(backbone, classifier).requires_grad_(True).train()
    network.to(memory_format=torch.channels_last).to(subject.device)
    groups: list[dict[str, Any]] = [
        {"params": backbone.parameters()},
        {"params": classifier.parameters(), "lr": head * lr},
    ]
    optimiser = torch.optim.SGD(groups, lr=lr, momentum=0.9, fused=True)
    schedule = steps(optimiser, iterations)
    for iteration in range(iterations):
        images, wanted = batches(iteration)
        with precision_context(subject.device, subject.precision):
            logits = network(images).float()
        optimiser.zero_grad(set_to_none=True)
        loss(logits, wanted).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return network


def _predict(network: nn.Module, subject: Subject, indices: NDArray[np.int64]) -> NDArray[np.float32]:
    return outputs(network, subject.data, indices, subject.image_size, subject.device)
