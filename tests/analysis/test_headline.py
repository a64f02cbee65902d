"""A headline has at most 15 words, says what is shown first, and never that something is shown which is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.findings import Comparisons, Question
from hpt_ray.analysis.headline import headline
from hpt_ray.analysis.phrases import ROBUSTNESS
from hpt_ray.analysis.statements import statements
from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.core.registry import load, names
from hpt_ray.report.render import verdicts
from tests.support.simulate_dashboards import simulated

BETTER, WORSE, EQUIVALENT, UNDECIDED = Outcome


def claim(against: str, low: float, high: float, outcome: Outcome, **changes: Any) -> Claim:
    difference = Interval((low + high) / 2, low, high, 3)
    fields = {"metric": "accuracy", "evaluation": "linear", "outcome": outcome} | changes
    return Claim("accuracy", "HPT", against, difference, **fields)


def robustness(outcome: Outcome) -> Question:

    class Number:
        value = text = "1.0"

    numbers = ("deviation", "other_deviation", "loss", "other_loss")
    details = {"factor": "policy", **dict.fromkeys(numbers, Number())}
    return Question(claim("From scratch", 0.01, 0.02, outcome), ROBUSTNESS, details)  # type: ignore[arg-type]


SCRATCH_BETTER = claim("From scratch", 0.0512, 0.1149, BETTER)
DIRECT_BETTER = claim("Direct transfer", 0.004, 0.03, BETTER)
SCRATCH_WORSE = claim("From scratch", -0.09, -0.03, WORSE)
SCRATCH_OPEN = claim("From scratch", -0.01, 0.03, UNDECIDED)
DIRECT_WORSE = claim("Direct transfer", -0.09, -0.03, WORSE)
DIRECT_OPEN = claim("Direct transfer", -0.01, 0.03, UNDECIDED)


@pytest.mark.parametrize(
    ("findings", "says"),
    [
        (
            [Comparisons((SCRATCH_BETTER,), "after 90 iterations")],
            "HPT is 5 to 11 points better than from scratch after 90 iterations",
        ),
        (
            [robustness(UNDECIDED), Comparisons((SCRATCH_BETTER,), "at the baseline policy,")],
            "HPT is 5 to 11 points better than from scratch; robustness undecided",
        ),
        (
            [Comparisons((SCRATCH_BETTER, DIRECT_BETTER), "after 90 iterations")],
            "HPT is better than from scratch and direct transfer",
        ),
        (
            [Comparisons((SCRATCH_BETTER, DIRECT_OPEN))],
            "HPT is 5 to 11 points better than from scratch; HPT against direct transfer undecided",
        ),
        ([Comparisons((DIRECT_BETTER,))], "HPT is 0.4 to 3.0 points better than direct transfer"),
        ([Comparisons((claim("From scratch", -0.09, -0.03, WORSE),))], "HPT is 3 to 9 points worse than from scratch"),
        (
            [Comparisons((claim("From scratch", -0.005, 0.004, EQUIVALENT),))],
            "HPT equals from scratch within 1 point",
        ),
        (
            [robustness(UNDECIDED), Comparisons((DIRECT_OPEN,))],
            "Not enough evidence on robustness and HPT against direct transfer",
        ),
        (
            [robustness(UNDECIDED), Comparisons((replace(SCRATCH_BETTER, exploratory=True),), "after 90 iterations")],
            "Robustness undecided; exploratory: HPT is 5 to 11 points better than from scratch",
        ),
        (
            [robustness(UNDECIDED), Comparisons((replace(DIRECT_OPEN, exploratory=True),), "after 90 iterations")],
            "Not enough evidence on robustness",
        ),
        (
            [
                robustness(UNDECIDED),
                Comparisons((replace(SCRATCH_BETTER, exploratory=True),), "after 30 iterations"),
                Comparisons((replace(SCRATCH_OPEN, exploratory=True),), "after 90 iterations"),
            ],
            "Robustness undecided; exploratory: HPT is better than from scratch after 30 iterations",
        ),
        ([robustness(BETTER)], "HPT is more robust to the policy than from scratch"),
        (
            [Comparisons((SCRATCH_BETTER,), "with 50 labels"), Comparisons((SCRATCH_WORSE,), "with all labels")],
            "HPT is 5 to 11 points better than from scratch with 50 labels, worse elsewhere",
        ),
        (
            [
                Comparisons((SCRATCH_WORSE, DIRECT_WORSE), "with 50 labels"),
                Comparisons((SCRATCH_BETTER, DIRECT_BETTER), "with all 1,400 labels"),
            ],
            "HPT is worse than from scratch and direct transfer with 50 labels, better elsewhere",
        ),
        (
            [Comparisons((SCRATCH_BETTER,), "with 50 labels"), Comparisons((SCRATCH_OPEN,), "with all labels")],
            "HPT is better than from scratch with 50 labels; the rest undecided",
        ),
        (
            [robustness(UNDECIDED), Comparisons((SCRATCH_BETTER, DIRECT_WORSE), "at the baseline policy,")],
            "HPT is better than from scratch; HPT is worse than direct transfer; robustness undecided",
        ),
        (
            [robustness(WORSE), Comparisons((SCRATCH_BETTER, DIRECT_OPEN, replace(DIRECT_OPEN, subject="HPT-BN")))],
            "HPT is less robust to the policy than from scratch; some questions undecided",
        ),
    ],
)
def test_what_it_says(findings: list[object], says: str) -> None:
    assert headline(statements(findings)) == says


def test_what_is_shown_comes_before_what_is_equivalent_and_what_is_not_decided() -> None:
    equal = claim("From scratch", -0.005, 0.004, EQUIVALENT)
    found = statements([Comparisons((DIRECT_OPEN, equal)), robustness(UNDECIDED), Comparisons((SCRATCH_BETTER,))])
    assert [each.outcome for each in found] == [BETTER, EQUIVALENT, UNDECIDED, UNDECIDED]
    assert found[0].text == "HPT is better than pretraining from scratch (+8.3 [+5.1, +11.5] points)."


@pytest.mark.parametrize(
    "study",
    [
        pytest.param(study, marks=pytest.mark.slow) if study == "augment_search" else study
        for study in names("dashboards")
    ],
)
def test_no_study_has_a_longer_one_or_one_that_claims_what_no_claim_does(study: str) -> None:
    run = simulated(study)
    (found,) = verdicts(run, load("dashboards", study))
    assert 0 < len(found.headline.split()) <= 15
    assert {each.outcome for each in found.statements} & {BETTER, WORSE, EQUIVALENT} <= {
        claim.outcome for claim in found.claims
    }
