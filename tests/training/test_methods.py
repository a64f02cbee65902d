"""What the training loop may expect of every method, whatever it is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import Projected, find, follow, follower
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=[*tiny.OPTIONS])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pretrainer(name: str, backbone: int = 0, seed: int = 0, **changed: Any) -> Pretrainer:
    recipe = tiny.recipe(method=name, batch=32, group=8)  # of fewer images in a group BYOL's heads magnify rounding
    given: dict[str, Any] = {"iterations": 6, "image_size": tiny.SIZE, "seed": seed} | changed
    return Pretrainer(recipe, tiny.backbone(backbone), tiny.dataset(), **given)


def added(trained: Pretrainer) -> dict[str, Tensor]:
    """What a method adds to the backbone: heads, queues, and no copies of the backbone."""
    return {name: value for name, value in trained.method.state_dict().items() if "backbone." not in name}


def test_arms_of_a_seed_begin_with_the_same_additions_and_draw_nothing_from_the_global_generator(name: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, other = pretrainer(name, backbone=0), pretrainer(name, backbone=1)
    assert torch.equal(torch.rand(3), expected)
    assert len(added(one)) >= 2
    assert tiny.largest_difference(added(one), added(other)) == 0
    assert tiny.largest_difference(added(one), added(pretrainer(name, seed=1))) > 0.01
    assert tiny.largest_difference(one.backbone.state_dict(), other.backbone.state_dict()) > 0.01


def test_only_what_the_optimiser_trains_has_a_gradient(name: str) -> None:
    trained = pretrainer(name)
    student = list(trained.method.student.parameters())
    others = [p for p in trained.method.parameters() if all(p is not own for own in student)]
    assert not any(parameter.requires_grad for parameter in others)
    assert [id(p) for p in trained.trained] == [id(p) for p in student]
    trained.method.step(trained.batches.batch(0), trained.workers)
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in trained.trained)
    assert not trained.method.feature_std().requires_grad


def test_the_gradient_is_that_of_the_loss_that_is_returned(name: str) -> None:
    """A small step against it lowers the loss of the same batch by its square, to first order."""
    trained = pretrainer(name)
    method, batch = trained.method, trained.batches.batch(0)
    before = tiny.copy_of(method.state_dict())
    loss = method.step(batch, trained.workers)
    square = sum(float((parameter.grad**2).sum()) for parameter in trained.trained)
    rate = 5e-4 / square
    for key, parameter in method.named_parameters():
        if parameter.grad is not None:
            before[key] -= rate * parameter.grad
    method.load_state_dict(before)
    assert float(loss - method.step(batch, trained.workers)) == pytest.approx(rate * square, rel=0.02)


def test_hpt_bn_moves_the_norm_layers_and_the_heads_alone(name: str) -> None:
    trained = pretrainer(name, tune="bn")
    before = tiny.copy_of(trained.method.state_dict())
    trained.run()
    after = trained.method.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    convolutions = {key for key in before if "conv" in key}
    # Of the networks that follow by momentum too: theirs are between two equal values.
    assert len(convolutions) >= 2
    assert not moved & convolutions
    norms = {f"student.backbone.bn{i}.{part}" for i in (1, 2) for part in ("weight", "bias", "running_mean")}
    assert norms <= moved
    heads = {
        key for key, _ in trained.method.named_parameters() if key.startswith("student.") and "backbone" not in key
    }
    assert heads
    assert heads <= moved
    assert {id(p) for p in trained.trained} == {id(p) for p in trained.method.student.parameters() if p.requires_grad}


def test_a_resumed_stage_ends_bit_identical(name: str) -> None:
    whole = pretrainer(name)
    states = []
    while whole.iteration < 6:
        states.append(whole.state())
        whole.step()
    for state in states[1:4:2]:
        resumed = pretrainer(name, backbone=7)
        resumed.restore(state)
        while resumed.iteration < 6:
            resumed.step()
        assert tiny.largest_difference(resumed.method.state_dict(), whole.method.state_dict()) == 0


def test_bfloat16_is_the_same_training_to_its_precision(name: str) -> None:
    loss, rounded = (
        pretrainer(name, iterations=1, precision=precision).run().rows[0]["loss"]
        for precision in ("float32", "bfloat16")
    )
    assert loss != rounded
    assert rounded == pytest.approx(loss, rel=0.01)


def test_a_follower_follows_by_name_and_keeps_no_statistics() -> None:
    leader = Projected(tiny.backbone(0), nn.Linear(16, 4))
    leader.extra = nn.Linear(3, 3)
    followed = follower(Projected(leader.backbone, leader.head))
    assert not any(parameter.requires_grad for parameter in followed.parameters())
    images, _ = tiny.views(0, 4)
    torch.testing.assert_close(followed(images), copy.deepcopy(leader)(images), atol=0, rtol=0)
    assert torch.equal(followed.backbone.bn1.running_mean, torch.zeros(8))
    with torch.no_grad():
        for parameter in leader.parameters():
            parameter.add_(1)
    before = tiny.copy_of(dict(followed.named_parameters()))
    follow(followed, leader, 0.75)
    for key, parameter in followed.named_parameters():
        torch.testing.assert_close(parameter, before[key] + 0.25, atol=1e-6, rtol=0)


def test_views_in_an_unknown_order_are_refused(tmp_path: Path) -> None:
    file, imports = tmp_path / "mine.py", "from hpt_ray.training.methods.byol import BYOL\n\n"
    file.write_text(imports + "class Mine(BYOL):\n    views = ('batch', 'ordered')\n\nmethod = Mine\n")
    with pytest.raises(StudyError, match=r"mine\.py: views has the order 'ordered'; the orders are batch and shuffled"):
        find(str(file))
