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
from hpt_ray.training.methods.moco_v2 import MoCoV2, info_nce
from hpt_ray.training.workers import Workers
from tests.support import tiny

BATCH, GROUP, QUEUE, DIM = 16, 4, 48, 8


def moco(seed: int = 0, **options: Any) -> MoCoV2:
    made = MoCoV2(
        tiny.backbone(seed), MoCoV2.options({"queue": QUEUE, "dim": DIM, "key_momentum": 0.9} | options), seed, 0
    )
    made.train()
    return made


def views(iteration: int, same: bool = False) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(iteration)
    one, other = torch.randn(2, BATCH, 3, tiny.SIZE, tiny.SIZE, generator=generator)
    return (one, one) if same else (one, other)


def batch(iteration: int, pair: tuple[Tensor, Tensor], **given: Any) -> Batch:
    return tiny.batch(iteration, pair, GROUP, orders=MoCoV2.views, **given)


def unit(n: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return F.normalize(torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed), dtype=dtype), dim=1)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_info_nce_and_its_gradient_equal_lightlys(temperature: float) -> None:
    queries, keys, queue = unit(6, 1), unit(6, 2), unit(QUEUE, 3)
    lightlys = NTXentLoss(temperature=temperature, memory_bank_size=(QUEUE, DIM))
    lightlys.memory_bank.bank = queue.clone()
    lightlys.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
    ours, theirs = queries.clone().requires_grad_(), queries.clone().requires_grad_()
    loss = info_nce(ours, keys, queue, temperature)
    # Lightly normalises its arguments, which projects the gradient on the sphere: do the same here.
    reference = lightlys(theirs, keys)
    torch.testing.assert_close(loss, reference, atol=1e-6, rtol=0)
    loss.backward()
    reference.backward()
    tangent = ours.grad - (ours.grad * queries).sum(dim=1, keepdim=True) * queries
    torch.testing.assert_close(tangent, theirs.grad, atol=1e-6, rtol=0)


def test_info_nce_is_the_papers_formula() -> None:
    queries, keys, queue = unit(5, 4).requires_grad_(), unit(5, 5), unit(QUEUE, 6)
    expected = torch.zeros((), dtype=torch.float64)
    for q, k in zip(queries, keys, strict=True):
        negatives = torch.stack([torch.exp(q @ negative / 0.2) for negative in queue]).sum()
        positive = torch.exp(q @ k / 0.2)
        expected = expected - torch.log(positive / (positive + negatives)) / len(queries)
    loss = info_nce(queries, keys, queue, 0.2)
    torch.testing.assert_close(loss, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(*(torch.autograd.grad(value, queries)[0] for value in (loss, expected)))


class Plain:
    """MoCo-v2 in ordinary torch: Algorithm 1 of arXiv 1911.05722 with batch norm per group and shuffled keys."""

    def __init__(self, method: MoCoV2) -> None:
        self.query, self.key = copy.deepcopy(method.student), copy.deepcopy(method.student)
        self.queue = list(method.queue.clone())

    def loss(self, iteration: int, pair: tuple[Tensor, Tensor], momentum: float, temperature: float) -> Tensor:
        for mine, theirs in zip(self.key.parameters(), self.query.parameters(), strict=True):
            mine.data = momentum * mine.data + (1 - momentum) * theirs.data
        order = stream(0, "shuffle", iteration).permutation(BATCH).tolist()
        keys: list[Any] = [None] * BATCH
        with torch.no_grad():
            for start in range(0, BATCH, GROUP):
                companions = order[start : start + GROUP]
                for place, key in zip(companions, self.key(pair[1][companions]), strict=True):
                    keys[place] = key / key.norm()
        queries = []
        for start in range(0, BATCH, GROUP):
            for projection in self.query(pair[0][start : start + GROUP]):
                queries.append(projection / projection.norm())
        losses = [
            -torch.log_softmax(torch.stack([q @ k, *(q @ old for old in self.queue)]) / temperature, dim=0)[0]
            for q, k in zip(queries, keys, strict=True)
        ]
        for i, key in enumerate(keys):
            self.queue[(iteration * BATCH + i) % len(self.queue)] = key
        return torch.stack(losses).mean()


def test_steps_equal_a_plain_implementation() -> None:
    method, workers = moco(), Workers()
    plain = Plain(method)
    settings: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    ours = torch.optim.SGD(method.student.parameters(), **settings)
    theirs = torch.optim.SGD(plain.query.parameters(), **settings)
    for iteration in range(5):  # the queue holds three batches, so it wraps around
        pair = views(iteration)
        loss = method.step(batch(iteration, pair), workers)
        reference = plain.loss(iteration, pair, 0.9, 0.2)
        reference.backward()
        torch.testing.assert_close(loss, reference.detach(), atol=2e-6, rtol=0)
        for name, parameter in plain.query.named_parameters():
            gradient = method.student.get_parameter(name).grad
            torch.testing.assert_close(
                gradient, parameter.grad, atol=2e-6, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
            )
        for optimiser in (ours, theirs):
            optimiser.step()
            optimiser.zero_grad()
        for network, other in ((method.student, plain.query), (method.key, plain.key)):
            for mine, parameter in zip(network.parameters(), other.parameters(), strict=True):
                torch.testing.assert_close(mine, parameter, atol=2e-6, rtol=1e-5)
        torch.testing.assert_close(method.queue, torch.stack(plain.queue), atol=2e-6, rtol=0)


def test_keys_follow_by_momentum_and_take_no_gradient() -> None:
    method = moco(key_momentum=0.75)
    assert all(torch.equal(a, b) for a, b in zip(method.key.parameters(), method.student.parameters(), strict=True))
    before = tiny.copy_of(dict(method.key.named_parameters()))
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    method.step(batch(0, views(0)), Workers())
    for name, parameter in method.key.named_parameters():
        expected = 0.75 * before[name] + 0.25 * method.student.get_parameter(name)
        torch.testing.assert_close(parameter, expected.detach(), atol=1e-6, rtol=1e-5)
        assert parameter.grad is None
        assert not parameter.requires_grad
    assert all(parameter.grad is not None for parameter in method.student.parameters())
    assert not method.queue.requires_grad


def test_the_queue_is_first_in_first_out_and_wraps_around() -> None:
    method = moco()
    enqueued: list[Tensor] = []
    for iteration in range(7):
        before = method.queue.clone()
        method.step(batch(iteration, views(iteration)), Workers())
        changed = (method.queue != before).any(dim=1).nonzero().flatten().tolist()
        assert changed == [(iteration * BATCH + i) % QUEUE for i in range(BATCH)]  # the oldest, in their order
        enqueued += list(method.queue[changed])
        torch.testing.assert_close(method.queue.norm(dim=1), torch.ones(QUEUE))
        assert int(method.pointer) == (iteration + 1) * BATCH % QUEUE
    assert {tuple(row.tolist()) for row in method.queue} == {tuple(row.tolist()) for row in enqueued[-QUEUE:]}


def positions_seen(network: torch.nn.Module) -> list[set[int]]:
    """Filled with the positions of each group that passes through a network whose images hold their position."""
    seen: list[set[int]] = []
    network.register_forward_pre_hook(lambda _, given: seen.append({int(x) for x in given[0][:, 0, 0, 0].round()}))
    return seen


def marked(noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Views whose pixels are their position, with a little noise everywhere but in the corner that is read."""
    images = torch.arange(BATCH, dtype=torch.float32).view(-1, 1, 1, 1).expand(BATCH, 3, tiny.SIZE, tiny.SIZE).clone()
    images += noise * torch.randn(images.shape, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    return images, images


@pytest.mark.parametrize("iteration", range(3))
def test_a_key_is_computed_among_images_of_other_groups(iteration: int) -> None:
    method = moco()
    key_groups, query_groups = positions_seen(method.key), positions_seen(method.student)
    method.step(batch(iteration, marked()), Workers())
    assert query_groups == [set(range(start, start + GROUP)) for start in range(0, BATCH, GROUP)]
    order = stream(0, "shuffle", iteration).permutation(BATCH)
    assert key_groups == [set(order[start : start + GROUP].tolist()) for start in range(0, BATCH, GROUP)]
    assert sorted(order.tolist()) == list(range(BATCH))
    for place in range(BATCH):
        companions = next(group for group in key_groups if place in group) - {place}
        own = next(group for group in query_groups if place in group)
        assert companions - own, "computed among images of its query's group alone"


def test_shuffling_is_another_one_in_every_iteration_and_for_every_seed() -> None:
    orders = [stream(seed, "shuffle", i).permutation(BATCH).tolist() for seed in range(3) for i in range(3)]
    assert len({tuple(order) for order in orders}) == len(orders)


@pytest.mark.parametrize("shuffled", [True, False])
def test_without_shuffling_batch_norm_gives_the_answer_away(shuffled: bool) -> None:
    method = moco()
    key_groups, query_groups = positions_seen(method.key), positions_seen(method.student)
    projections: list[Tensor] = []
    method.student.register_forward_hook(lambda _, __, out: projections.append(F.normalize(out.detach(), dim=1)))
    method.step(batch(0, marked(), shuffled=None if shuffled else np.arange(BATCH)), Workers())
    # Both views are one image and both networks are still equal: what differs is the statistics of the group alone.
    similarity = (torch.cat(projections) * method.queue[:BATCH]).sum(dim=1)
    assert (key_groups == query_groups) is (not shuffled)
    if shuffled:
        assert similarity.max() < 1 - 1e-4
    else:
        torch.testing.assert_close(similarity, torch.ones(BATCH), atol=1e-6, rtol=0)


def test_arms_of_a_seed_share_head_and_queue_and_draw_nothing_from_the_global_generator() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one = MoCoV2(tiny.backbone(0), MoCoV2.options({"queue": QUEUE, "dim": DIM}), 3, 0)
    other = MoCoV2(tiny.backbone(1), MoCoV2.options({"queue": QUEUE, "dim": DIM}), 3, 0)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.queue, other.queue)
    assert tiny.largest_difference(one.student.head.state_dict(), other.student.head.state_dict()) == 0
    assert not torch.equal(one.queue, moco(seed=4).queue)


def test_the_papers_defaults_and_head() -> None:
    options = MoCoV2.options({})
    assert (options.queue, options.key_momentum, options.temperature, options.dim) == (65_536, 0.999, 0.2, 128)
    head = moco().student.head
    assert [type(layer).__name__ for layer in head] == ["Linear", "ReLU", "Linear"]
    assert [tuple(layer.weight.shape) for layer in (head[0], head[2])] == [(16, 16), (DIM, 16)]


@pytest.mark.parametrize("spread", ["collapsed", "uniform"])
def test_feature_std_tells_collapse_from_the_uniform_sphere(spread: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method = MoCoV2(tiny.backbone(), MoCoV2.options({"queue": QUEUE, "dim": 64}), 0, 0)

    def keys(images: Tensor) -> Tensor:
        if spread == "collapsed":
            return torch.ones(len(images), 64)
        return torch.randn(len(images), 64, generator=torch.Generator().manual_seed(int(images[0, 0, 0, 0] * 1e6)))

    monkeypatch.setattr(method.key, "forward", keys)
    large = torch.randn(1024, 3, 4, 4)
    method.queue = F.normalize(torch.randn(1024, 64), dim=1)
    method.step(tiny.batch(0, (large, large), 256, orders=MoCoV2.views), Workers())
    expected = 0.0 if spread == "collapsed" else 64**-0.5
    assert float(method.feature_std()) == pytest.approx(expected, abs=0.003)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: MoCoV2.options({"quue": 64}), "'quue'; it has: dim, key_momentum, queue, temperature"),
        (lambda: MoCoV2.options({"queue": -1}), "queue"),
        (lambda: MoCoV2.options({"temperature": 0}), "temperature"),
        (lambda: MoCoV2.check(MoCoV2.options({"queue": 100}), 16), "queue of 100 is not a multiple of the batch of 16"),
        # What a study of the package lets its user set is the batch: she is told one that would do.
        (lambda: MoCoV2.check(MoCoV2.options({"queue": 1024}), 96), "set a batch that divides it, such as 64, and a"),
        (lambda: MoCoV2.check(MoCoV2.options({"queue": 1024}), 4096), "such as 1024, and"),
    ],
)
def test_wrong_options_are_named(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(StudyError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)
