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


#: Standard deviations of the base's effects on all answers, and on those to one example.
BASE, ON_BASE = 0.06, 0.08


def on_bases(sizes: tuple[int, ...], repeats: int, examples: int, generator: np.random.Generator) -> np.ndarray:
    """Answers [seeds, repeats, examples] of seeds of which ``sizes`` share each base."""
    normal = generator.standard_normal
    luck = BASE * normal((len(sizes), 1, 1)) + ON_BASE * normal((len(sizes), 1, examples))
    return draw(sum(sizes), repeats, examples, generator) + np.repeat(luck, sizes, axis=0)


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (4, 2, 1)], ids=["balanced", "unbalanced"])
def test_the_bases_are_found_on_average_and_all_squares_sum_to_the_variance(sizes: tuple[int, ...]) -> None:
    generator = np.random.default_rng(6)
    bases, examples = np.repeat(np.arange(len(sizes)), sizes), 40
    spread = float(np.square(np.array(sizes) / sum(sizes)).sum())
    studies, means = [], []
    for _ in range(1500):
        values = on_bases(sizes, 2, examples, generator)
        studies.append(sources(values, list(bases)))
        means.append(values.mean())
    variances = {name: np.square([getattr(study, name) for study in studies]) for name in ("base", "seed", "rest")}
    seed, _, _, both, rest = np.square(COMPONENTS)
    truth = {
        "base": BASE**2 * spread,
        "seed": seed / len(bases),
        "rest": ON_BASE**2 * spread / examples + both / (len(bases) * examples) + rest / (2 * len(bases) * examples),
    }
    # Of three bases the variance of one is often estimated below zero, and cut there.
    tolerance = 0.1 if sizes[0] == 3 else 0.25
    for name, variance in truth.items():
        assert variances[name].mean() == pytest.approx(variance, rel=tolerance), name
    sums = [
        sum((part or 0) ** 2 for part in (found.base, found.seed, found.probe, found.test, found.rest))
        for found in studies
    ]
    assert np.mean(sums) == pytest.approx(np.var(means), rel=tolerance)


@pytest.mark.parametrize("bases", [None, [7, 7, 7], [0, 1, 2]], ids=["none", "one", "own"])
def test_a_base_is_not_told_from_its_only_seed_nor_from_no_other(bases: list[int] | None) -> None:
    values = draw(3, 2, 20, np.random.default_rng(7))
    found = sources(values, bases)
    assert found.base is None
    assert found == sources(values)


def test_the_variance_of_bases_is_that_of_a_nested_anova_by_hand() -> None:
    """Searle, Casella and McCulloch (1992), section 3.6, on the means of seeds; examples have no effects here."""
    by_seed = np.array([0.5, 0.6, 0.9, 0.7, 0.8])
    bases = np.array([0, 0, 1, 1, 1])
    values = np.broadcast_to(by_seed[:, None, None], (5, 1, 4)).copy()
    found = sources(values, list(bases))
    means = np.array([by_seed[bases == base].mean() for base in (0, 1)])
    within = np.square(by_seed - means[bases]).sum() / 3
    between = (np.array([2, 3]) * np.square(means - by_seed.mean())).sum() / 1
    n0 = (5 - (4 + 9) / 5) / 1
    assert found.base == pytest.approx(np.sqrt((between - within) / n0 * (4 + 9) / 25))
    assert found.seed == pytest.approx(np.sqrt(within / 5))
