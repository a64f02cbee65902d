"""The smallest fraction that keeps the gain, on accuracies that are known."""

from __future__ import annotations

import numpy as np
import pytest

from hpt_ray.analysis.measures.retention import retention
from tests.support import simulate

FRACTIONS = (0.01, 0.1, 0.25, 0.5, 1.0)


def exactly(accuracy: float, seeds: int = 3, examples: int = 1000) -> np.ndarray:
    """Correctness of that very accuracy, at every seed."""
    return np.tile(np.arange(examples) < round(accuracy * examples), (seeds, 1)).astype(float)


@pytest.mark.parametrize(
    ("accuracies", "fraction"),
    [
        ((0.50, 0.60, 0.784, 0.79, 0.80), 0.5),  # the gain is 0.30, of which 0.285 is 95 %: from 0.785 on
        ((0.50, 0.70, 0.786, 0.79, 0.80), 0.25),
        ((0.79, 0.60, 0.79, 0.79, 0.80), 0.25),  # enough at 1 %, but not at 10 %
        ((0.80, 0.81, 0.80, 0.80, 0.80), 0.01),
        ((0.50, 0.60, 0.70, 0.75, 0.80), 1.0),
    ],
)
def test_fraction(accuracies: tuple[float, ...], fraction: float) -> None:
    correct = {share: exactly(value) for share, value in zip(FRACTIONS, accuracies, strict=True)}
    found = retention(dict(reversed(correct.items())), exactly(0.5))
    assert found.fraction == fraction
    assert found.gain.estimate == pytest.approx(0.30)


def test_a_floor_may_be_a_number() -> None:
    correct = {share: exactly(value) for share, value in zip(FRACTIONS, (0.5, 0.6, 0.7, 0.79, 0.8), strict=True)}
    assert retention(correct, 0.1).fraction == 0.5
    assert retention(correct, 0.7).fraction == 1.0


@pytest.mark.parametrize("floor", [0.79, 0.95])
def test_without_a_sure_gain_there_is_no_fraction(floor: float) -> None:
    correct = {share: simulate.crossed(np.array([0.9]), 3, 100, np.random.default_rng(3))[0] for share in FRACTIONS}
    found = retention(correct, floor)
    assert found.fraction is None
    assert found.gain.low < 0


def draw(accuracies: tuple[float, ...], generator: np.random.Generator, examples: int) -> dict[float, np.ndarray]:
    means = np.array([simulate.latent_mean(value) for value in accuracies])
    return dict(zip(FRACTIONS, simulate.crossed(means, 3, examples, generator), strict=True))


def test_probabilities_follow_the_truth() -> None:
    """Clear of the 95 % line the true fraction is nearly certain; on it, it is found about as often as not."""
    generator = np.random.default_rng(4)
    clear = retention(draw((0.3, 0.4, 0.5, 0.8, 0.8), generator, 4000), 0.2)
    assert sum(clear.probability.values()) == pytest.approx(1)
    assert clear.fraction == 0.5 and clear.probability[0.5] > 0.8
    edge = [retention(draw((0.3, 0.4, 0.5, 0.77, 0.8), generator, 1000), 0.2) for _ in range(40)]
    assert 0.35 < np.mean([study.probability[0.5] for study in edge]) < 0.65
    assert 0.25 < np.mean([study.fraction == 0.5 for study in edge]) < 0.75


def test_no_fraction_is_an_error() -> None:
    with pytest.raises(ValueError, match="one fraction or more"):
        retention({}, 0.5)
