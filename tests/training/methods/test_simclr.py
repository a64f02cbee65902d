from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from torch import Tensor

from hpt_ray.core.errors import StudyError
from hpt_ray.core.identity import stream
from hpt_ray.training.method import Batch
from hpt_ray.training.methods.simclr import SimCLR, nt_xent, partners_of
from hpt_ray.training.normalisation import GroupStatistics
from hpt_ray.training.workers import Workers
from tests.support import tiny
from tests.support.among import Among

BATCH, GROUP, DIM = 16, 4, 8


def made(seed: int = 0, **options: Any) -> SimCLR:
    method = SimCLR(tiny.backbone(seed), SimCLR.options({"dim": DIM} | options), seed, 0)
    method.train()
    return method


def batch(iteration: int, pair: tuple[Tensor, Tensor], group: int = GROUP, **given: Any) -> Batch:
    return tiny.batch(iteration, pair, group, orders=SimCLR.views, **given)


def unit(n: int, seed: int) -> Tensor:
    return F.normalize(torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 1.0])
def test_nt_xent_and_its_gradient_equal_lightlys(temperature: float) -> None:
    rows = torch.cat([unit(6, 1), unit(6, 2)])
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    loss = nt_xent(ours, torch.arange(12).roll(6), temperature)
    reference = NTXentLoss(temperature)(*theirs.chunk(2))
    torch.testing.assert_close(loss, reference, atol=1e-9, rtol=0)
    loss.backward()
    reference.backward()
    # Lightly normalises its arguments, which projects the gradient on the sphere: do the same here.
    tangent = ours.grad - (ours.grad * rows).sum(dim=1, keepdim=True) * rows
    torch.testing.assert_close(tangent, theirs.grad, atol=1e-9, rtol=0)


def formula(projections: list[Tensor], images: list[int], temperature: float) -> Tensor:
    """Equation 1 of arXiv 2002.05709, averaged over all ordered pairs of two views of an image."""
    terms = []
    for i, z in enumerate(projections):
        others = {k: torch.exp(z @ projections[k] / temperature) for k in range(len(projections)) if k != i}
        (j,) = (k for k in others if images[k] == images[i])
        terms.append(-torch.log(others[j] / sum(others.values())))
    return torch.stack(terms).mean()


def test_nt_xent_is_the_papers_formula_in_any_order_of_views() -> None:
    images = [3, 0, 1, 1, 2, 0, 3, 2]
    rows = unit(8, 3).requires_grad_()
    partners = partners_of(torch.tensor(images))
    assert [images[k] for k in partners] == images
    assert all(k != i for i, k in enumerate(partners.tolist()))
    loss, expected = nt_xent(rows, partners, 0.1), formula(list(rows), images, 0.1)
    torch.testing.assert_close(loss, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(*(torch.autograd.grad(value, rows)[0] for value in (loss, expected)))


def test_steps_equal_a_plain_implementation() -> None:
    method = made(temperature=0.5)
    network = copy.deepcopy(method.student)
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    ours = torch.optim.SGD(method.student.parameters(), **settings)
    theirs = torch.optim.SGD(network.parameters(), **settings)
    for iteration in range(4):
        pair = tiny.views(iteration, BATCH)
        loss = method.step(batch(iteration, pair), Workers())
        order = stream(0, "shuffle", iteration).permutation(BATCH).tolist()
        projections, images = [], []
        for start in range(0, BATCH, GROUP):
            firsts, seconds = list(range(start, start + GROUP)), order[start : start + GROUP]
            out = network(torch.cat([pair[0][firsts], pair[1][seconds]]))
            projections += [z / z.norm() for z in out]
            images += firsts + seconds
        reference = formula(projections, images, 0.5)
        reference.backward()
        torch.testing.assert_close(loss, reference.detach(), atol=2e-6, rtol=0)
        for name, parameter in network.named_parameters():
            gradient = method.student.get_parameter(name).grad
            torch.testing.assert_close(
                gradient, parameter.grad, atol=2e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
            )
        for optimiser in (ours, theirs):
            optimiser.step()
            optimiser.zero_grad()


def test_of_one_group_it_is_the_authors_training() -> None:
    """Both views of the batch in one pass, normalised together, and lightly's loss."""
    method = made()
    network = copy.deepcopy(method.student)
    pair = tiny.views(0, BATCH)
    loss = method.step(batch(0, pair, BATCH), Workers())
    reference = NTXentLoss(0.1)(*network(torch.cat(pair)).chunk(2))
    reference.backward()
    torch.testing.assert_close(loss, reference.detach(), atol=2e-6, rtol=0)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(method.student.get_parameter(name).grad, parameter.grad, atol=5e-6, rtol=1e-4)
    for name, buffer in network.named_buffers():
        torch.testing.assert_close(method.student.get_buffer(name), buffer, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 4])
def test_the_mean_over_workers_is_the_gradient_of_the_whole_loss(size: int) -> None:
    """A worker's own projections are negatives in the terms of others: what these send back must not be lost."""
    alone, seen = made(), dict[int, Tensor]()
    pair = tiny.views(1, BATCH)
    loss = alone.step(batch(1, pair), Workers())
    mean = {name: torch.zeros_like(parameter) for name, parameter in alone.student.named_parameters()}
    for rank in range(size):  # each computes its projections, which do not depend on those of others
        made().step(batch(1, pair, workers=Workers(rank, size)), Among(rank, size, seen=seen))
    for rank in range(size):
        worker, own = made(), batch(1, pair, workers=Workers(rank, size))
        torch.testing.assert_close(worker.step(own, Among(rank, size, seen=seen)), loss, atol=1e-6, rtol=0)
        for name, parameter in worker.student.named_parameters():
            mean[name] += parameter.grad / size
    for name, parameter in alone.student.named_parameters():
        torch.testing.assert_close(mean[name], parameter.grad, atol=1e-6, rtol=1e-4)


def test_running_statistics_move_once_towards_the_mean_of_the_groups() -> None:
    method = made()
    norm = method.student.backbone.bn1
    GroupStatistics(method.student.backbone, BATCH // GROUP)
    seen: list[Tensor] = []
    norm.register_forward_hook(lambda _, given, __: seen.append(given[0].detach()))
    method.step(batch(0, tiny.views(0, BATCH)), Workers())
    assert [len(given) for given in seen] == [2 * GROUP] * (BATCH // GROUP)
    means = torch.stack([given.mean(dim=(0, 2, 3)) for given in seen]).mean(dim=0)
    variances = torch.stack([given.var(dim=(0, 2, 3)) for given in seen]).mean(dim=0)
    torch.testing.assert_close(norm.running_mean, 0.1 * means, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * variances, atol=1e-6, rtol=1e-5)


def passes(method: SimCLR) -> list[list[int]]:
    """Filled with the positions that pass through the network together, of images that hold their position."""
    seen: list[list[int]] = []
    method.student.register_forward_pre_hook(lambda _, given: seen.append(given[0][:, 0, 0, 0].int().tolist()))
    return seen


def numbered() -> Tensor:
    return torch.arange(BATCH, dtype=torch.float32).view(-1, 1, 1, 1).expand(BATCH, 3, tiny.SIZE, tiny.SIZE)


@pytest.mark.parametrize("iteration", range(3))
def test_a_groups_second_views_are_of_images_of_all_groups(iteration: int) -> None:
    method = made()
    seen = passes(method)
    method.step(batch(iteration, (numbered(), numbered())), Workers())
    order = stream(0, "shuffle", iteration).permutation(BATCH).tolist()
    assert seen == [[*range(start, start + GROUP), *order[start : start + GROUP]] for start in range(0, BATCH, GROUP)]


def test_sharing_a_group_says_nothing_about_being_a_pair() -> None:
    """Or the network could find a view's partner by the traces of its group's statistics."""
    pairs, candidates = [], []
    for iteration in range(2000):
        group = np.empty(BATCH, int)
        group[stream(0, "shuffle", iteration).permutation(BATCH)] = np.arange(BATCH) // GROUP
        together = group[None] == (np.arange(BATCH) // GROUP)[:, None]  # first view i, second view j
        pairs.append(together.diagonal().mean())
        candidates.append(together.mean())
    assert np.mean(candidates) == GROUP / BATCH
    error = np.std(pairs) / np.sqrt(len(pairs))
    assert abs(np.mean(pairs) - GROUP / BATCH) < 4 * error


@pytest.mark.parametrize("shuffled", [True, False])
def test_without_shuffling_batch_norm_gives_the_answer_away(shuffled: bool) -> None:
    method = made()
    projections: list[Tensor] = []
    method.student.register_forward_hook(lambda _, __, out: projections.append(F.normalize(out.detach(), dim=1)))
    images, _ = tiny.views(3, BATCH)
    method.step(batch(0, (images, images), shuffled=None if shuffled else np.arange(BATCH)), Workers())
    firsts, seconds = (torch.cat([both[half] for both in projections]) for half in (slice(GROUP), slice(GROUP, None)))
    order = stream(0, "shuffle", 0).permutation(BATCH) if shuffled else range(BATCH)
    # Both views are one image: what differs between its projections is the statistics of the group alone.
    similarity = (firsts[order] * seconds).sum(dim=1)
    if shuffled:
        assert similarity.min() < 1 - 1e-4
    else:
        torch.testing.assert_close(similarity, torch.ones(BATCH), atol=1e-6, rtol=0)


def test_the_papers_defaults_and_head() -> None:
    options = SimCLR.options({})
    assert (options.temperature, options.dim) == (0.1, 128)
    head = made().student.head
    assert [type(layer).__name__ for layer in head] == ["Linear", "ReLU", "Linear"]
    assert [tuple(layer.weight.shape) for layer in (head[0], head[2])] == [(16, 16), (DIM, 16)]


@pytest.mark.parametrize("spread", ["collapsed", "uniform"])
def test_feature_std_tells_collapse_from_the_uniform_sphere(spread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = made(dim=64)
    weight = torch.zeros((), requires_grad=True)
    generator = torch.Generator().manual_seed(0)

    def projections(images: Tensor) -> Tensor:
        given = (
            torch.ones(len(images), 64) if spread == "collapsed" else torch.randn(len(images), 64, generator=generator)
        )
        return given + weight

    monkeypatch.setattr(method.student, "forward", projections)
    large = torch.randn(1024, 3, 4, 4)
    method.step(batch(0, (large, large), 256), Workers())
    expected = 0.0 if spread == "collapsed" else 64**-0.5
    assert float(method.feature_std()) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SimCLR.options({"queue": 64}), "'queue'; it has: dim, temperature"),
        (lambda: SimCLR.options({"temperature": 0}), "temperature"),
        (lambda: SimCLR.options({"dim": 0}), "dim"),
    ],
)
def test_wrong_options_are_named(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        call()
