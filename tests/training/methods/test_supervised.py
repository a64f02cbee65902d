from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from hpt_ray.core.errors import DataError, StudyError
from hpt_ray.training.methods.supervised import Supervised
from hpt_ray.training.normalisation import GroupStatistics
from hpt_ray.training.workers import Workers
from tests.support import tiny

BATCH, GROUP, CLASSES = 16, 4, 5
LABELS = torch.arange(BATCH) % CLASSES


def made(seed: int = 0) -> Supervised:
    method = Supervised(tiny.backbone(seed), Supervised.options({}), seed, CLASSES)
    method.train()
    return method


def test_steps_equal_a_plain_implementation() -> None:
    method = made()
    backbone, classifier = copy.deepcopy(method.student.backbone), copy.deepcopy(method.student.classifier)
    parameters = [*backbone.parameters(), *classifier.parameters()]
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    ours = torch.optim.SGD(method.student.parameters(), **settings)
    theirs = torch.optim.SGD(parameters, **settings)
    for iteration in range(4):
        pair = tiny.views(iteration, BATCH)
        loss = method.step(tiny.batch(iteration, pair, GROUP, LABELS), Workers())
        terms = []
        for start in range(0, BATCH, GROUP):  # view 0 alone
            scores = classifier(backbone(pair[0][start : start + GROUP])).exp()
            for place, row in enumerate(scores):
                terms.append(-torch.log(row[LABELS[start + place]] / row.sum()))
        reference = torch.stack(terms).mean()
        reference.backward()
        torch.testing.assert_close(loss, reference.detach(), atol=2e-6, rtol=0)
        for (name, mine), parameter in zip(method.student.named_parameters(), parameters, strict=True):
            torch.testing.assert_close(
                mine.grad, parameter.grad, atol=2e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
            )
        for optimiser in (ours, theirs):
            optimiser.step()
            optimiser.zero_grad()


def test_it_learns_a_class_that_is_there() -> None:
    """Images that are brighter by class: the labels reach the images that they are of."""
    method = made()
    optimiser = torch.optim.SGD(method.student.parameters(), lr=0.1, momentum=0.9)
    labels = torch.arange(64) % 2
    for iteration in range(30):
        images, _ = tiny.views(iteration, 64)
        images = images + labels.view(-1, 1, 1, 1)
        loss = method.step(tiny.batch(iteration, (images, images), 16, labels), Workers())
        optimiser.step()
        optimiser.zero_grad()
    assert float(loss) < 0.1


def test_running_statistics_move_once_towards_the_mean_of_the_groups() -> None:
    method = made()
    norm = method.student.backbone.bn1
    GroupStatistics(method.student.backbone, BATCH // GROUP)
    seen: list[Tensor] = []
    norm.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    method.step(tiny.batch(0, tiny.views(0, BATCH), GROUP, LABELS), Workers())
    assert [len(given) for given in seen] == [GROUP] * (BATCH // GROUP)
    means = torch.stack([given.mean(dim=(0, 2, 3)) for given in seen]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, 0.1 * means, atol=1e-6, rtol=1e-5)


def test_it_says_that_it_is_supervised() -> None:
    assert Supervised.supervised


@pytest.mark.parametrize("spread", ["collapsed", "uniform"])
def test_feature_std_tells_collapse_from_the_uniform_sphere(spread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = made()
    generator = torch.Generator().manual_seed(0)

    def features(images: Tensor) -> Tensor:
        return (
            torch.ones(len(images), 16) if spread == "collapsed" else torch.randn(len(images), 16, generator=generator)
        )

    monkeypatch.setattr(method.student.backbone, "forward", features)
    large = torch.randn(1024, 3, 4, 4)
    method.step(tiny.batch(0, (large, large), 256, torch.arange(1024) % CLASSES), Workers())
    expected = 0.0 if spread == "collapsed" else 16**-0.5
    assert float(method.feature_std()) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("classes", [0, 1])
def test_data_without_classes_is_refused(classes: int) -> None:
    with pytest.raises(DataError, match=f"and this data set has {classes}: use a self-supervised method"):
        Supervised(tiny.backbone(), Supervised.options({}), 0, classes)


def test_it_has_no_options() -> None:
    with pytest.raises(StudyError, match="has no option 'dim'; it has: none"):
        Supervised.options({"dim": 8})
