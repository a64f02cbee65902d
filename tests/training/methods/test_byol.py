from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from lightly.models.utils import update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.training.method import target_momentum
from hpt_ray.training.methods.byol import BYOL, regression_loss
from hpt_ray.training.normalisation import GroupStatistics
from hpt_ray.training.workers import Workers
from tests.support import tiny

BATCH, GROUP, HIDDEN, DIM, ITERATIONS = 16, 8, 12, 8, 5


def made(seed: int = 0, **options: Any) -> BYOL:
    method = BYOL(tiny.backbone(seed), BYOL.options({"hidden": HIDDEN, "dim": DIM} | options), seed, 0)
    method.train()
    return method


def batch(iteration: int, group: int = GROUP) -> Any:
    return tiny.batch(iteration, tiny.views(iteration, BATCH), group, iterations=ITERATIONS)


@pytest.mark.parametrize("base", [0.0, 0.99, 1.0])
def test_the_momentum_is_lightlys_schedule_and_the_papers_formula(base: float) -> None:
    for k in range(11):
        momentum = target_momentum(base, k, 10)
        assert momentum == pytest.approx(cosine_schedule(k, 11, base, 1.0), abs=1e-12)
        assert momentum == pytest.approx(1 - (1 - base) * (math.cos(math.pi * k / 10) + 1) / 2, abs=1e-12)
    assert (target_momentum(base, 0, 10), target_momentum(base, 10, 10)) == (base, 1)


def test_the_loss_equals_lightlys() -> None:
    predictions, targets = torch.randn(2, 6, DIM, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = predictions.clone().requires_grad_(), predictions.clone().requires_grad_()
    loss = regression_loss(ours, F.normalize(targets, dim=1))
    reference = 2 + 2 * NegativeCosineSimilarity()(theirs, targets)
    torch.testing.assert_close(loss, reference)
    torch.testing.assert_close(torch.autograd.grad(loss, ours), torch.autograd.grad(reference, theirs))
    unit = F.normalize(predictions, dim=1)  # eq. 2: the squared distance of the normalised vectors
    torch.testing.assert_close(loss, ((unit - F.normalize(targets, dim=1)) ** 2).sum(dim=1).mean())


class Plain:
    """BYOL in ordinary torch out of lightly's pieces: Algorithm 1 of arXiv 2006.07733, batch norm per group."""

    def __init__(self, method: BYOL) -> None:
        projector, self.predictor = BYOLProjectionHead(16, HIDDEN, DIM), BYOLPredictionHead(DIM, HIDDEN, DIM)
        for theirs, ours in ((projector, method.student.head), (self.predictor, method.student.predictor)):
            missing, unexpected = theirs.layers.load_state_dict(ours.state_dict(), strict=False)
            assert not unexpected
            assert all("running" in name or "tracked" in name for name in missing)
        self.online = nn.Sequential(copy.deepcopy(method.student.backbone), projector)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.parameters = [*self.online.parameters(), *self.predictor.parameters()]
        self.criterion = NegativeCosineSimilarity()

    def loss(self, pair: tuple[Tensor, Tensor], group: int) -> Tensor:
        losses = []
        for start in range(0, BATCH, group):
            one, other = (view[start : start + group] for view in pair)
            to_other = self.criterion(self.predictor(self.online(one)), self.target(other))
            to_one = self.criterion(self.predictor(self.online(other)), self.target(one))
            losses.append((2 + 2 * to_other) + (2 + 2 * to_one))
        return torch.stack(losses).mean()


@pytest.mark.parametrize("group", [GROUP, BATCH])
def test_steps_equal_a_plain_implementation(group: int) -> None:
    method = made(momentum=0.7)
    plain = Plain(method)
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    ours = torch.optim.SGD(method.student.parameters(), **settings)
    theirs = torch.optim.SGD(plain.parameters, **settings)
    for iteration in range(ITERATIONS):
        loss = method.step(batch(iteration, group), Workers())
        for mine, parameter in zip(method.target.parameters(), plain.target.parameters(), strict=True):
            torch.testing.assert_close(mine, parameter, atol=5e-6, rtol=1e-5)
        reference = plain.loss(tiny.views(iteration, BATCH), group)
        reference.backward()
        torch.testing.assert_close(loss, reference.detach(), atol=1e-5, rtol=0)
        for (name, mine), parameter in zip(method.student.named_parameters(), plain.parameters, strict=True):
            torch.testing.assert_close(
                mine.grad, parameter.grad, atol=1e-5, rtol=1e-3, msg=lambda m, n=name: f"{n}: {m}"
            )
        for optimiser in (ours, theirs):
            optimiser.step()
            optimiser.zero_grad()
        update_momentum(plain.online, plain.target, cosine_schedule(iteration, ITERATIONS + 1, 0.7, 1.0))


def test_the_target_follows_by_momentum_and_takes_no_gradient() -> None:
    method = made(momentum=0.75)
    names = dict(method.target.named_parameters())
    assert all(torch.equal(parameter, method.student.get_parameter(name)) for name, parameter in names.items())
    assert {name.split(".")[0] for name in names} == {"backbone", "head"}  # and no predictor
    method.step(batch(0), Workers())
    before = tiny.copy_of(names)
    assert all(torch.equal(value, method.student.get_parameter(name)) for name, value in before.items())
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    method.step(batch(1), Workers())
    for name, parameter in names.items():
        expected = 0.75 * before[name] + 0.25 * method.student.get_parameter(name)
        torch.testing.assert_close(parameter, expected.detach(), atol=1e-6, rtol=1e-5)
        assert parameter.grad is None
        assert not parameter.requires_grad
    assert all(parameter.grad is not None for parameter in method.student.parameters())


def test_the_loss_is_symmetric_in_the_views_and_between_them() -> None:
    one, other = tiny.views(0, BATCH)
    loss, exchanged, equal = (
        made().step(tiny.batch(0, pair, GROUP), Workers()) for pair in ((one, other), (other, one), (one, one))
    )
    torch.testing.assert_close(loss, exchanged, atol=1e-5, rtol=0)
    assert not torch.isclose(loss, equal, atol=1e-3)


def test_running_statistics_move_twice_once_for_each_view() -> None:
    method = made()
    norm = method.student.backbone.bn1
    GroupStatistics(method.student.backbone, BATCH // GROUP)
    seen: list[Tensor] = []
    norm.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    images: list[Tensor] = []
    method.student.backbone.register_forward_pre_hook(lambda _, given: images.append(given[0]))
    before = tiny.copy_of(dict(method.target.named_buffers()))
    method.step(batch(0), Workers())
    assert torch.equal(torch.cat(images), torch.cat(tiny.views(0, BATCH)))  # all groups' view 0 before any view 1
    mean, variance = torch.zeros(8), torch.ones(8)
    for groups in (seen[: BATCH // GROUP], seen[BATCH // GROUP :]):
        assert [len(given) for given in groups] == [GROUP] * (BATCH // GROUP)
        mean = 0.9 * mean + 0.1 * torch.stack([given.mean(dim=(0, 2, 3)) for given in groups]).mean(dim=0)
        variance = 0.9 * variance + 0.1 * torch.stack([given.var(dim=(0, 2, 3)) for given in groups]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, mean, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(norm.running_var, variance, atol=1e-6, rtol=1e-5)
    # Of a worker's own images; nothing reads them, so they may not be there to differ between workers.
    assert tiny.largest_difference(before, dict(method.target.named_buffers())) == 0
    assert not [name for name, _ in method.student.named_buffers() if not name.startswith("backbone.")]


def test_the_papers_defaults_and_heads() -> None:
    options = BYOL.options({})
    assert (options.momentum, options.hidden, options.dim) == (0.99, 4096, 256)
    student = made().student
    for head, inputs in ((student.head, 16), (student.predictor, DIM)):
        assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
        assert [tuple(layer.weight.shape) for layer in (head[0], head[3])] == [(HIDDEN, inputs), (DIM, HIDDEN)]


@pytest.mark.parametrize("spread", ["collapsed", "uniform"])
def test_feature_std_tells_collapse_from_the_uniform_sphere(spread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = made(dim=64)
    generator = torch.Generator().manual_seed(0)

    def projections(images: Tensor) -> Tensor:
        return (
            torch.ones(len(images), 64) if spread == "collapsed" else torch.randn(len(images), 64, generator=generator)
        )

    monkeypatch.setattr(method.target, "forward", projections)
    large = torch.randn(1024, 3, 4, 4)
    method.step(tiny.batch(0, (large, large), 256), Workers())
    expected = 0.0 if spread == "collapsed" else 64**-0.5
    assert float(method.feature_std()) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: BYOL.options({"queue": 64}), "'queue'; it has: dim, hidden, momentum"),
        (lambda: BYOL.options({"momentum": 1.5}), "momentum"),
    ],
)
def test_wrong_options_are_named(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        call()
