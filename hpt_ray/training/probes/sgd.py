"""The paper's linear probe: a linear classifier trained by SGD on augmented images through the frozen backbone.

Reed et al. (arXiv 2103.12718) and its configurations, after MoCo (He et al., arXiv 1911.05722, section 4.1): average-
pooled features in eval mode, lr 30, momentum 0.9, no weight decay, lr / 10 at 1/3 and 2/3. That lr is for ResNet-50's
features after MoCo; small networks want a smaller one. Val chooses among ten states evenly spaced over the training
(the paper looks every 100 of 5,000 iterations).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.recipe import Positive
from hpt_ray.training.features import evaluating
from hpt_ray.training.footprint import images_at_once
from hpt_ray.training.method import precision_context
from hpt_ray.training.probe import Answer, Subject, best
from hpt_ray.training.probes._training import LabelledBatches, loss, new_classifier, steps, usable

NAME = "sgd probe"
CHECKPOINTS = 10


def probe(
    subject: Subject,
    lr: Annotated[float, Field(gt=0)] = 30.0,
    iterations: Positive = 5_000,
    batch: Positive = 512,
    repeats: Positive = 3,
) -> list[Answer]:
    """Train ``repeats`` classifiers, each from another start and on other draws.

    Raises:
        StageError: if one diverges before its first checkpoint.
    """
    size, device = subject.image_size, subject.device
    with evaluating(subject.backbone, device):
        chunk = images_at_once(subject.backbone, torch.zeros(1, subject.data.channels, size, size, device=device))
        return [_train(subject, lr, iterations, batch, repeat, chunk) for repeat in range(repeats)]


def passes(data: Dataset, options: Mapping[str, Any]) -> int:
    """Every repeat's iterations over a batch, through the frozen backbone."""
    batch = min(options["batch"], len(data.evaluation()["train"]))
    return int(options["repeats"] * options["iterations"] * batch)


def _train(subject: Subject, lr: float, iterations: int, batch: int, repeat: int, chunk: int) -> Answer:
    device, features = subject.device, subject.features
    val, test = (torch.from_numpy(features[name].features).to(device) for name in ("val", "test"))
    batches = LabelledBatches(subject, subject.labelled["train"], batch, repeat, NAME)
    classifier = new_classifier(subject, repeat, NAME)
    optimiser = torch.optim.SGD(classifier.parameters(), lr=lr, momentum=0.9)
    schedule = steps(optimiser, iterations)
    checkpoints = {-(-iterations * tenth // CHECKPOINTS) for tenth in range(1, CHECKPOINTS + 1)}
    candidates = []
    for iteration in range(iterations):
        step(subject, classifier, optimiser, *batches(iteration), chunk)
        schedule.step()
        if iteration + 1 in checkpoints:
            with torch.no_grad():
                logits = classifier(val).cpu().numpy()
            candidates.append(((iteration + 1, copy.deepcopy(classifier)), logits))
    tried = usable(candidates, batches, "the SGD probe")
    (chosen, classifier), predicted = best(tried, features["val"].wanted, subject.metric)
    with torch.no_grad():
        answers = batches.decide(classifier(test).cpu().numpy())
    return Answer(predicted, answers, {"iteration": chosen})


def step(
    subject: Subject,
    classifier: nn.Linear,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    wanted: Tensor,
    chunk: int,
) -> None:
    """One step on a batch, which passes through the frozen backbone in chunks of ``chunk`` images; waits for no GPU."""
    with torch.no_grad(), precision_context(subject.device, subject.precision):
        pooled = torch.cat([subject.backbone(part) for part in torch.split(images, chunk)]).float()
    optimiser.zero_grad(set_to_none=True)
    loss(classifier(pooled), wanted).backward()  # type: ignore[no-untyped-call]
    optimiser.step()
