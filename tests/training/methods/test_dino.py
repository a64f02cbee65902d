from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from lightly.loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead
from lightly.models.utils import update_momentum
from torch import Tensor

from hpt_ray.core.errors import StudyError
from hpt_ray.training.method import target_momentum
from hpt_ray.training.methods.dino import DINO, Prototypes, projector, self_distillation
from hpt_ray.training.workers import Workers
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")
BATCH, GROUP, PROTOTYPES = 16, 4, 12


def made(**options: float) -> DINO:
    given = {"hidden": 16, "dim": 8, "prototypes": PROTOTYPES} | options
    method = DINO(tiny.backbone(0), DINO.options(given), 3, 0)
    method.train()
    return method


def outputs(views: int, seed: int) -> Tensor:
    return torch.randn(views, 6, 10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("students", [2, 5])
def test_the_loss_and_its_gradient_equal_lightlys(students: int) -> None:
    """Of two views of each network, and of more of the student's, whose further views are its alone."""
    theirs = outputs(students, 1).requires_grad_()
    ours, teachers, center = outputs(students, 1).requires_grad_(), outputs(2, 2), outputs(1, 3)[0, :1]
    reference = DINOLoss(10, teacher_temp=0.04, student_temp=0.1).double()
    reference.center = center[None]
    expected = reference(list(teachers), list(theirs))
    loss = self_distillation(ours, teachers - center, 0.1, 0.04)
    torch.testing.assert_close(loss, expected, atol=1e-7, rtol=1e-7)  # lightly's temperature is a float32
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-7, rtol=1e-6)


def test_the_head_is_lightlys() -> None:
    reference, ours = DINOProjectionHead(16, 24, 8, PROTOTYPES), projector(16, 24, 8)
    ours.append(Prototypes(8, PROTOTYPES))
    linear = [layer for layer in reference.layers if isinstance(layer, torch.nn.Linear)]
    state = {
        f"{place}.{part}": getattr(layer, part)
        for place, layer in zip((0, 2, 4), linear, strict=True)
        for part in ("weight", "bias")
    }
    ours.load_state_dict(state | {"5.weight": reference.last_layer.weight_v})
    features = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(features), reference(features), atol=1e-6, rtol=1e-5)
    (ours(features) ** 2).sum().backward()
    (reference(features) ** 2).sum().backward()
    torch.testing.assert_close(ours[5].weight.grad, reference.last_layer.weight_v.grad, atol=1e-6, rtol=1e-4)


def test_steps_equal_a_plain_implementation() -> None:
    """Of one group it is the authors' training: both views in one pass, lightly's loss, center and teacher."""
    method = made()
    student, teacher = copy.deepcopy(method.student), copy.deepcopy(method.student)
    criterion = DINOLoss(PROTOTYPES)
    optimisers = [torch.optim.SGD(network.parameters(), lr=0.1) for network in (method.student, student)]
    for iteration in range(4):
        pair = tiny.views(iteration, BATCH)
        loss = method.step(tiny.batch(iteration, pair, BATCH, orders=DINO.views), Workers())
        images = torch.cat(pair)
        with torch.no_grad():
            targets = teacher(images).chunk(2)
        expected = criterion(targets, student(images).chunk(2))
        expected.backward()
        torch.testing.assert_close(loss, expected.detach(), atol=2e-6, rtol=0)
        for name, parameter in student.named_parameters():
            torch.testing.assert_close(
                method.student.get_parameter(name).grad,
                parameter.grad,
                atol=5e-6,
                rtol=1e-3,
                msg=lambda m, n=name: n + m,
            )
        torch.testing.assert_close(method.center, criterion.center[0, 0], atol=1e-6, rtol=1e-5)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        update_momentum(student, teacher, target_momentum(0.996, iteration, 10))


def test_groups_share_the_loss_and_the_center() -> None:
    method, pair = made(), tiny.views(0, BATCH)
    network, means = copy.deepcopy(method.student), []
    loss = method.step(tiny.batch(0, pair, GROUP, orders=DINO.views), Workers())
    total = torch.zeros(())
    for first, second in zip(*(view.split(GROUP) for view in pair), strict=True):
        both = network(torch.cat([first, second]))
        means.append(both.detach())
        total = total + DINOLoss(PROTOTYPES)(both.detach().chunk(2), both.chunk(2)) / (BATCH // GROUP)
    total.backward()
    torch.testing.assert_close(loss, total.detach(), atol=1e-6, rtol=0)
    torch.testing.assert_close(method.center, 0.1 * torch.cat(means).mean(dim=0), atol=1e-6, rtol=1e-5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(method.student.get_parameter(name).grad, parameter.grad, atol=5e-6, rtol=1e-3)


def test_the_teacher_stands_at_its_momentum_in_a_trunk() -> None:
    assert target_momentum(0.9, 5, 10, trunk=8) == target_momentum(0.9, 0, 10) == pytest.approx(0.9)
    assert target_momentum(0.9, 9, 10, trunk=8) == pytest.approx(0.95)
    assert target_momentum(0.9, 10, 10, trunk=8) == 1


def test_feature_std_tells_collapse_from_the_uniform_sphere() -> None:
    method, large = made(dim=64), torch.randn(512, 3, 4, 4)
    for expected in (0.0, 64**-0.5):
        rows = torch.randn(2048, 64) if expected else torch.ones(2048, 64)
        method.teacher.head.forward = lambda _, rows=rows: rows[:512]
        method.step(tiny.batch(0, (large, large), 256, orders=DINO.views), Workers())
        assert float(method.feature_std()) == pytest.approx(expected, abs=0.003)


def test_the_papers_defaults() -> None:
    options = DINO.options({})
    assert (options.student_temperature, options.temperature, options.center_momentum) == (0.1, 0.04, 0.9)
    assert (options.momentum, options.hidden, options.dim, options.prototypes) == (0.996, 2048, 256, 65_536)
    lengths = F.normalize(made().student.prototypes.weight, dim=1).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(PROTOTYPES))
    with pytest.raises(StudyError, match="temperature"):
        DINO.options({"temperature": 0})
