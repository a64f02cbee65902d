from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.integrate import quad

from hpt_ray.core.identity import stream
from hpt_ray.training.methods.lejepa import LeJEPA, epps_pulley, lejepa, sigreg
from hpt_ray.training.workers import Workers
from tests.support import tiny

pytestmark = pytest.mark.usefixtures("one_thread")
Numbers = NDArray[np.float64]


def closed_form(samples: Numbers) -> float:
    """Epps and Pulley's statistic, integrated over all frequencies by hand, of the weight exp(-t^2 / 2).

    The integrals of cos(a t) exp(-b t^2) are sqrt(pi / b) exp(-a^2 / 4b).
    """
    n = len(samples)
    pairs = np.exp(-((samples[:, None] - samples[None]) ** 2) / 2).sum() * np.sqrt(2 * np.pi) / n
    cross = 2 * np.sqrt(np.pi) * np.exp(-(samples**2) / 4).sum()
    return float(pairs - cross + n * np.sqrt(2 * np.pi / 3))


def integrated(samples: Numbers, last: float) -> float:
    def integrand(t: float) -> float:
        function = np.exp(1j * t * samples).mean()
        return float(abs(function - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2))

    return len(samples) * float(quad(integrand, -last, last, limit=200)[0])


@pytest.mark.parametrize("kind", ["normal", "wide", "uniform", "equal"])
def test_the_statistic_is_that_of_epps_and_pulley(kind: str) -> None:
    rng = np.random.default_rng(0)
    samples = {
        "normal": rng.standard_normal(40),
        "wide": 2 + 3 * rng.standard_normal(40),
        "uniform": rng.uniform(-1, 1, 40),
        "equal": np.full(40, 0.5),
    }[kind]
    ours = float(epps_pulley(torch.from_numpy(samples)[:, None])[0])
    assert integrated(samples, np.inf) == pytest.approx(closed_form(samples), rel=1e-6)
    assert ours == pytest.approx(integrated(samples, 3.0), rel=0.01, abs=1e-3)  # the trapezoidal rule's error
    assert ours == pytest.approx(closed_form(samples), rel=0.02, abs=0.02)  # and what is beyond the last frequency


def test_normal_projections_cost_less_than_others_and_collapse_costs_most() -> None:
    rng = np.random.default_rng(1)
    directions = torch.nn.functional.normalize(torch.from_numpy(rng.standard_normal((8, 50))), dim=0)
    normal = torch.from_numpy(rng.standard_normal((500, 8)))
    costs = [
        float(sigreg(rows, directions)) for rows in (normal, 0.5 * normal, normal[:, :1].expand(-1, 8), 0 * normal)
    ]
    assert costs[0] < 1 < min(costs[1:])
    assert costs[3] == max(costs)


def test_the_loss_is_the_formula() -> None:
    rng = np.random.default_rng(2)
    views, directions = rng.standard_normal((2, 12, 5)), rng.standard_normal((5, 7))
    directions /= np.linalg.norm(directions, axis=0)
    t = np.linspace(-3, 3, 33)
    statistics = []
    for view in views:
        for direction in directions.T:
            function = np.exp(1j * np.outer(t, view @ direction)).mean(axis=1)
            statistics.append(12 * np.trapezoid(abs(function - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2), t))
    agreement = ((views[0] - views[1]) ** 2).mean() / 4  # each view is half their difference from their mean
    expected = 0.9 * agreement + 0.1 * np.mean(statistics)
    ours = lejepa(torch.from_numpy(views), torch.from_numpy(directions), 0.1)
    assert float(ours) == pytest.approx(expected)


def test_a_step_has_the_gradient_of_the_loss_of_the_whole_batch() -> None:
    batch, group = 16, 4
    options = LeJEPA.options({"hidden": 16, "dim": 4, "directions": 10})
    method, drawn = LeJEPA(tiny.backbone(0), options, 3, 0), LeJEPA.draws(options, 3, 5, batch, tiny.SIZE)
    method.train()
    pair = tiny.views(0, batch)
    loss = method.step(tiny.batch(5, pair, group, orders=LeJEPA.views, drawn=drawn), Workers())
    ours = {name: p.grad.clone() for name, p in method.student.named_parameters() if p.grad is not None}
    method.zero_grad()
    rows = [method.student(torch.cat([a, b])) for a, b in zip(*(view.split(group) for view in pair), strict=True)]
    views = torch.stack([torch.cat([part.split(group)[place] for part in rows]) for place in (0, 1)])
    normal = stream(3, "directions", 5).standard_normal((4, 10))
    directions = torch.from_numpy(normal / np.linalg.norm(normal, axis=0)).float()
    expected = lejepa(views, directions, 0.02)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    assert ours
    for name, parameter in method.student.named_parameters():
        torch.testing.assert_close(ours[name], parameter.grad, atol=1e-6, rtol=1e-4)
