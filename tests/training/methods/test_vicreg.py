from __future__ import annotations

import copy

import pytest
import torch
from lightly.loss import VICRegLoss
from torch import Tensor

from hpt_ray.core.errors import StudyError
from hpt_ray.spec.scales import SCALES
from hpt_ray.training.methods.vicreg import VICReg, vicreg
from hpt_ray.training.workers import Workers
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")
BATCH, GROUP = 16, 4


def made(**options: int) -> VICReg:
    method = VICReg(tiny.backbone(0), VICReg.options({"hidden": 16, "dim": 8} | options), 3, 0)
    method.train()
    return method


def views(spread: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    return spread * torch.randn(2, 12, 5, generator=generator, dtype=torch.float64) @ mixed


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("weights", [(25.0, 25.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_the_loss_and_its_gradient_equal_lightlys(spread: float, weights: tuple[float, float, float]) -> None:
    """All terms and each alone; the authors halve the sum of the views' variance terms, as lightly does."""
    ours, theirs = views(spread).requires_grad_(), views(spread).requires_grad_()
    loss, reference = vicreg(ours, *weights), VICRegLoss(*weights)(*theirs)
    torch.testing.assert_close(loss, reference, atol=1e-9, rtol=1e-9)
    loss.backward()
    reference.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("group", [GROUP, BATCH])
def test_a_step_has_the_gradient_of_the_loss_of_the_whole_batch(group: int) -> None:
    method, pair = made(), tiny.views(0, BATCH)
    network = copy.deepcopy(method.student)
    loss = method.step(tiny.batch(5, pair, group, orders=VICReg.views), Workers())
    rows = [network(torch.cat([a, b])) for a, b in zip(*(view.split(group) for view in pair), strict=True)]
    reference = VICRegLoss()(*(torch.cat([part.split(group)[place] for part in rows]) for place in (0, 1)))
    reference.backward()
    torch.testing.assert_close(loss, reference.detach(), atol=1e-5, rtol=1e-5)
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(method.student.get_parameter(name).grad, parameter.grad, atol=1e-5, rtol=1e-3)


def test_collapse_costs_the_whole_weight_of_the_variance() -> None:
    collapsed = vicreg(torch.ones(2, 12, 5), 25.0, 25.0, 1.0)
    assert float(collapsed) == pytest.approx(25 * (1 - 0.01))
    spread = torch.linalg.qr(torch.randn(12, 6, generator=torch.Generator().manual_seed(0)))[0]
    centred = torch.linalg.qr(torch.cat([torch.ones(12, 1), spread], dim=1))[0][:, 1:6]  # uncorrelated outputs
    assert float(vicreg((11**0.5 * centred).expand(2, 12, 5), 25.0, 25.0, 1.0)) == pytest.approx(0, abs=1e-5)


def test_feature_std_tells_collapse_from_the_uniform_sphere(monkeypatch: pytest.MonkeyPatch) -> None:
    method, generator, weight = made(dim=64), torch.Generator().manual_seed(0), torch.zeros((), requires_grad=True)
    large = torch.randn(512, 3, 4, 4)
    for expected in (64**-0.5, 0.0):

        def projections(images: Tensor, collapsed: bool = expected == 0) -> Tensor:
            rows = torch.ones(len(images), 64) if collapsed else torch.randn(len(images), 64, generator=generator)
            return rows + weight

        monkeypatch.setattr(method.student, "forward", projections)
        method.step(tiny.batch(0, (large, large), 256, orders=VICReg.views), Workers())
        assert float(method.feature_std()) == pytest.approx(expected, abs=0.003)


def test_the_papers_defaults_and_expander() -> None:
    options = VICReg.options({})
    assert (options.invariance, options.variance, options.covariance) == (25, 25, 1)
    assert (options.hidden, options.dim) == (8192, 8192)
    names = [type(layer).__name__ for layer in made().student.head]
    assert names == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert SCALES["quick"].adjusted(method="vicreg").target.options == {"hidden": 256, "dim": 256}


def test_a_batch_of_one_image_is_refused() -> None:
    with pytest.raises(StudyError, match="VICReg takes the variance over the images of a batch: use a batch of 2"):
        VICReg.check(VICReg.options({}), 1)
    with pytest.raises(StudyError, match="variance"):
        VICReg.options({"variance": -1})
