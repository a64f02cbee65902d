"""An interval of two seeds is never narrower than that for the very weights that were tested."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.stats.bootstrap import replicate
from hpt_ray.analysis.stats.groups import Grouped


def interval(values: np.ndarray):
    return replicate(values[None]).interval(lambda means: means[..., 0])


def of_equal_means(examples: int = 40) -> np.ndarray:
    """Two seeds, the differences of two arms: on each 8 images for the one and 8 for the other, not the same ones."""
    values = np.zeros((2, examples))
    values[0, :8], values[0, 8:16], values[1, 16:24], values[1, 24:32] = 1, -1, 1, -1
    return values


def test_seeds_that_agree_by_luck_leave_the_luck_of_the_answers() -> None:
    """The means are 0 at both seeds, and 32 images have a mean of +-1/2."""
    found = interval(of_equal_means())
    half = stats.norm.ppf(0.975) * np.sqrt(32 / 4 / 40) / np.sqrt(40)
    assert (found.low, found.high) == pytest.approx((-half, half))
    assert found.p == 1.0


def test_groups_have_students_quantile() -> None:
    found = interval(of_equal_means().view(Grouped))
    half = stats.t.ppf(0.975, 39) * np.sqrt(32 / 4 / 39) / np.sqrt(40)
    assert (found.low, found.high) == pytest.approx((-half, half))


@pytest.mark.parametrize("seeds", [np.arange(50) % 3 == 0, np.arange(150).reshape(3, 50) % 7 == 0])
def test_one_network_repeated_and_more_seeds_are_left_to_the_bootstrap(seeds: np.ndarray) -> None:
    answers = np.broadcast_to(seeds, (2, 50) if seeds.ndim == 1 else seeds.shape).astype(float)
    (fixed,) = replicate(answers[None], signed=False).fixed
    assert fixed == 0.0


@pytest.mark.parametrize("level", [0.05, 0.01])
def test_two_seeds_tell_arms_apart_seldom_enough_that_do_not_differ(level: float) -> None:
    generator = np.random.default_rng(2)
    arms = (generator.random((600, 2, 2, 40)) < 0.7).astype(float)
    found = [interval(study[0] - study[1]) for study in arms]
    assert np.mean([each.p < level for each in found]) <= level
    assert min(each.high - each.low for each in found) > 0.05
