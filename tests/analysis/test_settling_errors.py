"""The error rates of a run that grows, by its own claims: each study is compared, settled and recorded as a run is.

Only what trains is simulated: answers of rows that differ by luck, to test images that differ too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Claim, Outcome, compare
from hpt_ray.analysis.measures.robustness import difference_over_levels
from hpt_ray.analysis.measures.run import DIRECT, HPT, SCRATCH, Run
from hpt_ray.analysis.settling import settle
from hpt_ray.analysis.stats.sequential import Noise, planned_looks
from hpt_ray.core.metric import Metric, find
from hpt_ray.store.records import Look, Looks
from tests.support import noisy, records, simulate_studies

IMAGES, MOST, POINT, STUDIES = 60, 24, 0.01, 400
STUDY = simulate_studies.study("drawn", (HPT, SCRATCH, DIRECT))


@dataclass(frozen=True, eq=False)
class Drawn(Run):
    """A run whose answers are drawn: those of HPT are the reference, and of others ``answers`` less."""

    answers: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def metric(self) -> Metric:  # type: ignore[override]
        return find("accuracy")

    def scores(self, target: str, arm: str, *_: object, **__: object) -> np.ndarray:
        rows = len(self.study.seeds)
        return -self.answers[arm][:rows] if arm in self.answers else np.zeros((rows, IMAGES))

    by_seed = scores


def drawn(generator: np.random.Generator, difference: float, noise: Noise, tails: str) -> np.ndarray:
    """Differences [rows, images] whose mean has the noise, in points squared, about a true difference in points."""
    luck = generator.standard_t(3, MOST) / np.sqrt(3) if tails == "t3" else generator.standard_normal(MOST)
    images = generator.standard_normal(IMAGES) * np.sqrt(noise.test * IMAGES)
    rest = generator.standard_normal((MOST, IMAGES)) * 3.0
    return POINT * (difference + np.sqrt(noise.row) * luck[:, None] + images + rest)


def compared(run: Drawn) -> list[Claim]:
    """The claims, still to be settled, on HPT against each other arm."""
    return [compare(run, "aerial", HPT, other, "") for other in run.answers]


def grow(answers: dict[str, np.ndarray], asked: Callable[[Drawn], list[Claim]] = compared) -> tuple[list[Claim], int]:
    """The claims of a study at its end, and how many rows it took."""
    looks = Looks(most=MOST)
    for rows in planned_looks(MOST):
        now = looks.model_copy(update={"made": (*looks.made, Look(rows=rows))})
        study = STUDY.model_copy(update={"seeds": tuple(range(rows))})
        manifest = records.manifest(study).model_copy(update={"looks": now})
        run = Drawn(*[simulate_studies.pd.DataFrame()] * 4, manifest, answers=answers)
        claims = settle(run, "aerial", asked(run), "differences")
        found = tuple(claim.record for claim in claims if claim.record is not None)
        looks = looks.model_copy(update={"made": (*looks.made, Look(rows=rows, claims=found))})
        if all(claim.closed for claim in found):
            break
    return list(claims), looks.made[-1].rows


def outcomes(
    difference: float, noise: Noise, tails: str = "normal", studies: int = STUDIES, others: tuple[str, ...] = (SCRATCH,)
) -> tuple[Counter[frozenset[Outcome]], float]:
    """How often each set of outcomes came out of a study, and the mean of its rows."""
    generator, found, rows = np.random.default_rng(7), Counter[frozenset[Outcome]](), 0
    for _ in range(studies):
        claims, used = grow({other: drawn(generator, difference, noise, tails) for other in others})
        found[frozenset(claim.outcome for claim in claims)] += 1
        rows += used
    return found, rows / studies


def share(found: Counter[frozenset[Outcome]], *any_of: Outcome) -> float:
    return sum(number for kinds, number in found.items() if kinds & set(any_of)) / found.total()


def most_by_chance(rate: float) -> float:
    """The largest share that studies which err at a rate show in 995 of 1,000 tests."""
    return float(stats.binom.ppf(0.995, STUDIES, rate)) / STUDIES


def test_a_clear_difference_is_decided_early_and_stays() -> None:
    found, rows = outcomes(10.0, Noise(0.1, 1.0), studies=3, others=(SCRATCH, DIRECT))
    assert share(found, Outcome.BETTER) == 1.0 and rows <= 8


@pytest.mark.slow
@pytest.mark.parametrize("tails", ["normal", "t3"])
@pytest.mark.parametrize("ratio", [0.0, 0.15, 0.45])
def test_one_false_claim_or_more_is_as_rare_as_promised(ratio: float, tails: str) -> None:
    """At most 5.5 % of studies of two claims, of which none is true."""
    found, rows = outcomes(0.0, Noise(9.0 * ratio, 9.0), tails, others=(SCRATCH, DIRECT))
    false = share(found, Outcome.BETTER, Outcome.WORSE)
    print(f"V/s2 {ratio:g} {tails}: one false claim or more {false:.1%}, {rows:.1f} rows")
    assert false <= most_by_chance(0.055)


def robustness(rows: int, first: np.ndarray, second: np.ndarray) -> Claim:
    """The claim, still to be settled, that one arm varies less than another, of the answers of so many rows."""
    mine, others = ({str(level): of_level[:rows] for level, of_level in enumerate(arm)} for arm in (first, second))
    apart = difference_over_levels(mine, others)
    assert apart is not None
    return Claim("robustness", "HPT", "From scratch", apart.deviation, "accuracy", "linear")


@pytest.mark.slow
@pytest.mark.parametrize("luck", [0.002, 0.01, 0.03])
def test_neither_of_two_arms_that_are_alike_is_called_more_robust_at_any_look(luck: float) -> None:
    """At most 5.5 % of studies, whether the noise is the test sample's or the seeds'."""
    generator, studies, false, rows = np.random.default_rng(11), 150, 0, 0
    truth, noise = np.stack([[0.40, 0.38, 0.36, 0.42, 0.40]] * 2), noisy.Noise(luck=luck)
    for _ in range(studies):
        first, second = noisy.answers(truth, (noise, noise), MOST, 200, generator)
        claims, used = grow({}, lambda run, arms=(first, second): [robustness(len(run.study.seeds), *arms)])
        false += any(claim.outcome in (Outcome.BETTER, Outcome.WORSE) for claim in claims)
        rows += used
    print(f"luck {luck:g}: {false / studies:.1%} called more or less robust, {rows / studies:.1f} rows")
    assert false <= stats.binom.ppf(0.995, studies, 0.055)


@pytest.mark.slow
def test_false_equivalence_at_the_margin_is_as_rare_as_promised() -> None:
    found, rows = outcomes(1.0, Noise(0.02, 1.0))
    print(f"false equivalence {share(found, Outcome.EQUIVALENT):.1%}, {rows:.1f} rows")
    assert share(found, Outcome.EQUIVALENT) <= most_by_chance(0.025)


@pytest.mark.slow
def test_without_a_difference_most_studies_end_early() -> None:
    found, rows = outcomes(0.0, Noise(0.45, 7.2))
    print(f"null: false {share(found, Outcome.BETTER, Outcome.WORSE):.1%}, {rows:.1f} rows")
    assert rows <= 8.0 + 2.6 * 0.32  # the error of the mean of so many studies is 0.32
