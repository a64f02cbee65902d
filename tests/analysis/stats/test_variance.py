"""Sources of variation on simulated data whose components are known, and against a nested ANOVA by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hpt_ray.analysis.stats.variance import Sources, sources

#: Standard deviations of seed, probe, example, seed x example and residual effects on one answer.
COMPONENTS = (0.04, 0.02, 0.3, 0.1, 0.2)


def draw(seeds: int, repeats: int, examples: int, generator: np.random.Generator) -> np.ndarray:
    seed, probe, example, both, rest = COMPONENTS
    normal = generator.standard_normal
    return (
        0.7
        + seed * normal((seeds, 1, 1))
        + probe * normal((seeds, repeats, 1))
        + example * normal((1, 1, examples))
        + both * normal((seeds, 1, examples))
        + rest * normal((seeds, repeats, examples))
    )


def test_components_are_found_on_average() -> None:
    """Variances over 600 studies within four standard errors of the truth; truncation plays no part at these sizes."""
    seeds, repeats, examples = 6, 4, 60
    generator = np.random.default_rng(0)
    studies = [sources(draw(seeds, repeats, examples, generator)) for _ in range(600)]
    seed, probe, example, both, rest = np.square(COMPONENTS)
    truth = {
        "seed": seed / seeds,
        "probe": probe / (seeds * repeats),
        "test": example / examples,
        "rest": both / (seeds * examples) + rest / (seeds * repeats * examples),
    }
    for name, variance in truth.items():
        found = np.square([getattr(study, name) for study in studies])
        assert abs(found.mean() - variance) < 4 * found.std() / np.sqrt(len(found)), name


def test_squares_sum_to_the_variance_of_the_mean() -> None:
    generator = np.random.default_rng(1)
    means, sums = [], []
    for _ in range(3000):
        values = draw(4, 2, 30, generator)
        found = sources(values)
        assert found.seed is not None and found.probe is not None
        means.append(values.mean())
        sums.append(found.seed**2 + found.probe**2 + found.test**2 + found.rest**2)
    assert np.mean(sums) == pytest.approx(np.var(means), rel=0.1)


def test_one_repeat_leaves_the_probe_to_the_seed() -> None:
    generator = np.random.default_rng(2)
    studies = [sources(draw(10, 1, 100, generator)) for _ in range(600)]
    assert studies[0].probe is None
    found = np.mean([study.seed**2 for study in studies if study.seed is not None])
    assert found == pytest.approx((COMPONENTS[0] ** 2 + COMPONENTS[1] ** 2) / 10, rel=0.1)


def test_one_seed_shows_probe_and_test_sample_alone() -> None:
    generator = np.random.default_rng(3)
    studies = [sources(draw(1, 5, 200, generator)) for _ in range(600)]
    assert studies[0].seed is None
    probe = np.mean([study.probe**2 for study in studies if study.probe is not None])
    assert probe == pytest.approx(COMPONENTS[1] ** 2 / 5, rel=0.15)
    # The interaction of one seed with the examples looks like the examples' own.
    test = np.mean([study.test**2 for study in studies])
    assert test == pytest.approx((COMPONENTS[2] ** 2 + COMPONENTS[3] ** 2) / 200, rel=0.05)


def test_a_probe_that_always_says_the_same_has_no_variation() -> None:
    by_seed = np.random.default_rng(4).random((3, 1, 50))
    found = sources(np.repeat(by_seed, 4, axis=1))
    assert (found.probe, found.repeats) == (pytest.approx(0, abs=1e-12), 4)
    assert found.seed == pytest.approx(sources(by_seed).seed)


def test_negative_variances_are_zero() -> None:
    """Seeds that agree more than chance would have it: their variance component is negative before truncation."""
    found = sources(np.array([[[1.0, 0.0, 1.0, 0.0]], [[0.0, 1.0, 0.0, 1.0]]]))
    assert (found.seed, found.test) == (0.0, 0.0)
    assert found.rest > 0


def test_an_incomplete_seed_is_left_out() -> None:
    values = draw(3, 2, 20, np.random.default_rng(5))
    values[1, 0] = np.nan
    assert sources(values) == sources(values[[0, 2]])
    assert isinstance(sources(values), Sources) and sources(values).seeds == 2


@pytest.mark.parametrize("shape", [(0, 2, 5), (2, 2, 1), (2, 0, 5)])
def test_nothing_to_separate_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a complete seed and two examples"):
        sources(np.zeros(shape))
