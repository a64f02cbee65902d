"""P-values against Student's, the normal's and the Behrens-Fisher distribution, and how often they are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from hpt_ray.analysis.claim import Outcome, judge
from hpt_ray.analysis.stats.bootstrap import Interval, replicate
from tests.support import simulate


def interval(values: np.ndarray, replicates: int = 1000) -> Interval:
    return replicate(values[None], replicates=replicates).interval(lambda means: means[..., 0])


@pytest.mark.parametrize("mean", [0.02, 0.08, 0.3])
def test_seeds_alone_give_students_p(mean: float) -> None:
    by_seed = mean + np.array([-0.03, 0.04, -0.01])
    found = interval(np.repeat(by_seed[:, None], 50, axis=1), replicates=40_000)
    assert found.p == pytest.approx(stats.ttest_1samp(by_seed, 0).pvalue, rel=0.05)


def test_one_seed_gives_the_normals_p() -> None:
    row = np.repeat([-1.0, 0.0, 1.0], [80, 190, 130])
    found = interval(row[None], replicates=20_000)
    assert found.p == pytest.approx(2 * stats.norm.sf(row.mean() / (row.std() / np.sqrt(len(row)))), rel=0.2)


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("distance", [2.5, 3.5, 4.5])
def test_both_sources_give_at_least_behrens_and_fishers_p(seeds: int, distance: float) -> None:
    """Equal variances of the estimate from seeds and from examples, and no interaction."""
    seed_effects, example_effects = np.linspace(-1, 1, seeds), np.linspace(-1, 1, 200)
    seed_effects *= np.sqrt(seeds) / seed_effects.std(ddof=1)
    example_effects *= np.sqrt(200) / example_effects.std(ddof=1)
    estimate = distance * np.sqrt(2)
    found = interval(estimate + seed_effects[:, None] + example_effects, replicates=20_000)

    def beyond(normal: float) -> float:
        return float(stats.norm.pdf(normal) * stats.t.sf(estimate - normal, seeds - 1))

    exact = 2 * integrate.quad(beyond, -9, 9)[0]
    assert 0.92 * exact < found.p < 1.25 * exact


def test_p_is_below_five_per_cent_where_the_interval_excludes_zero() -> None:
    generator = np.random.default_rng(5)
    found = []
    for shift in np.linspace(0, 0.4, 100):
        one, two = simulate.crossed(np.array([0.8 + shift, 0.8]), 3, 200, generator)
        found.append(interval(one - two))
    excluded = [not part.low <= 0 <= part.high for part in found]
    assert [part.p < 0.05 for part in found] == excluded
    assert 10 < sum(excluded) < 90


@pytest.mark.parametrize(("value", "p"), [(0.0, 1.0), (0.2, 0.0)])
def test_without_variance_zero_is_certain_or_excluded(value: float, p: float) -> None:
    assert interval(np.full((3, 20), value)).p == p


#: (seed, example, own seed, own example) effects, as in test_bootstrap.
MIXED, SEEDS = (0.1, 1.0, 0.05, 0.3), (0.1, 1.0, 0.2, 0.3)
LEVELS = (0.05, 0.01, 0.05 / 6)


def check_rates(seeds: int, effects: tuple[float, float, float, float], studies: int) -> None:
    generator = np.random.default_rng([seeds, studies])
    found = []
    for _ in range(studies):
        one, two = simulate.crossed(np.array([0.8, 0.8]), seeds, 300, generator, effects)
        found.append(interval(one - two).p)
    wrong = {level: int((np.array(found) < level).sum()) for level in LEVELS}
    assert wrong[0.05] > stats.binom.ppf(0.0005, studies, 0.04), "far too careful"
    assert all(count <= stats.binom.ppf(0.9995, studies, level) for level, count in wrong.items()), wrong


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("effects", [MIXED, SEEDS], ids=["mixed", "seeds"])
def test_false_positive_rate(seeds: int, effects: tuple[float, float, float, float]) -> None:
    check_rates(seeds, effects, studies=500)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("effects", [MIXED, SEEDS], ids=["mixed", "seeds"])
def test_false_positive_rate_thoroughly(seeds: int, effects: tuple[float, float, float, float]) -> None:
    check_rates(seeds, effects, studies=10_000)


def test_better_is_rarely_said_of_arms_that_do_not_differ() -> None:
    """Three seeds: at most 2.5 % of studies may say "better", and "worse"."""
    generator, studies = np.random.default_rng(3), 600
    said = dict.fromkeys(Outcome, 0)
    for _ in range(studies):
        hpt, scratch = simulate.crossed(np.array([0.8, 0.8]), 3, 200, generator, MIXED)
        said[judge(interval(hpt - scratch))] += 1
    most = stats.binom.ppf(0.999, studies, 0.025)
    assert max(said[Outcome.BETTER], said[Outcome.WORSE]) <= most, said
