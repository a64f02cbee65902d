"""Answers with a known truth and noise of any kind, for tests of what an estimator claims: its errors and its power.

Of arm a at level l with seed s the true accuracy is that of the arm and the level plus luck: of the seed, which all
levels of the arm share, and of the pretraining itself. Test example i is then answered correctly with that probability,
over difficulties that all cells share and others that are each pretraining's own. Luck has mean zero, so that
accuracies are those given whatever the noise is, unless pretrainings collapse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

#: What collapsed features give.
CHANCE = 0.15


@dataclass(frozen=True)
class Noise:
    """How an arm's accuracies vary; lucks are standard deviations of an accuracy, as shares.

    Attributes:
        luck: of one pretraining. seed_luck: of a seed, at all levels alike.
        heavy: whether lucks have Student's distribution with 3 degrees of freedom, of the same standard deviation.
        collapse: how often a pretraining collapses.
        hard: the standard deviation of examples' difficulty for all cells, in units of the chance of single answers.
        own: that of the difficulty for one arm at one level.
        still: whether every pretraining answers an example alike: there is no variance between seeds.
    """

    luck: float = 0.01
    seed_luck: float = 0.0
    heavy: bool = False
    collapse: float = 0.0
    hard: float = 1.0
    own: float = 0.5
    still: bool = False


def answers(
    truth: np.ndarray, noise: Sequence[Noise], seeds: int, examples: int, generator: np.random.Generator
) -> np.ndarray:
    """Correctness [arms, levels, seeds, examples] where the true accuracies are ``truth`` [arms, levels]."""
    difficulty = generator.standard_normal(examples)
    return np.stack(
        [
            _arm(accuracies, of_arm, seeds, difficulty, generator)
            for accuracies, of_arm in zip(truth, noise, strict=True)
        ]
    )


def _arm(
    truth: np.ndarray, noise: Noise, seeds: int, difficulty: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    levels, examples = len(truth), len(difficulty)

    def luck(deviation: float, *shape: int) -> np.ndarray:
        if noise.heavy:
            return deviation * generator.standard_t(3, shape) / np.sqrt(3)
        return deviation * generator.standard_normal(shape)

    accuracy = truth[:, None] + luck(noise.seed_luck, 1, seeds) + luck(noise.luck, levels, seeds)
    accuracy = np.where(generator.random((levels, seeds)) < noise.collapse, CHANCE, accuracy).clip(0.001, 0.999)
    own = noise.own * generator.standard_normal((levels, 1, examples))
    chance = generator.standard_normal((levels, 1 if noise.still else seeds, examples))
    if noise.still:
        accuracy = np.broadcast_to(truth[:, None], accuracy.shape)
    scale = np.sqrt(1 + noise.hard**2 + noise.own**2)
    latent = stats.norm.ppf(accuracy)[..., None] * scale + noise.hard * difficulty + own + chance
    return (latent > 0).astype(np.float64)
