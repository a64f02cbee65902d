"""Correctness over budgets with a known truth: accuracy a - b * cost**-c, of which HPT is ahead by a known factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tests.support import simulate


def power_law(cost: float, *, top: float = 0.9, scale: float = 1.2, exponent: float = 0.3) -> float:
    """True accuracy after spending ``cost``."""
    return top - scale * cost**-exponent


def arms(
    budgets: tuple[Sequence[float], Sequence[float]],
    accuracies: tuple[Sequence[float], Sequence[float]],
    seeds: int,
    examples: int,
    generator: np.random.Generator,
) -> tuple[dict[float, np.ndarray], dict[float, np.ndarray]]:
    """Correctness [seeds, examples] at each budget of HPT and of from scratch, all on the same seeds and examples."""
    means = np.array([simulate.latent_mean(accuracy) for accuracy in (*accuracies[0], *accuracies[1])])
    correct = iter(simulate.crossed(means, seeds, examples, generator))
    hpt, scratch = ({cost: next(correct) for cost in costs} for costs in budgets)
    return hpt, scratch
