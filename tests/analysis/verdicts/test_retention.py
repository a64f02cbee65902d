"""The verdict on data fractions, on tables whose answer is known and on runs with holes."""

from __future__ import annotations

import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.analysis.verdicts.retention import verdict
from tests.support import simulate_numbers
from tests.support.simulate_numbers import FRACTIONS, Truth

#: Gains over step 0 at all images: from scratch 0.33 (from 0.33), HPT 0.14 and HPT-BN 0 (from the base's 0.60).
TRUTH: dict[str, Truth] = {
    "target": (0.40, 0.50, 0.57, 0.65, 0.66),
    "base": 0.60,
    "base>target": (0.63, 0.69, 0.735, 0.74, 0.74),
    "base>target:bn": (0.58, 0.60, 0.60, 0.60, 0.60),
}


def on(*, seeds: int = 3, arms: tuple[str, ...] = simulate_numbers.ARMS, **options: object) -> Verdict:
    spec = simulate_numbers.study(FRACTIONS, seeds=seeds, arms=arms)
    options = {"examples": 400, "exact": True} | options
    return verdict(simulate_numbers.run(spec, TRUTH, **options), "rsscn7")  # type: ignore[arg-type]


def test_what_each_arm_needs() -> None:
    """95 % of 0.14 is 0.133, which HPT has with 25 %; of 0.33 it is 0.3135, which from scratch has with 50 %."""
    found = on()
    assert found.sentence.startswith(
        "On rsscn7, HPT keeps 95 % of its gain over step 0 with 25 % of the images (+14.0 ["
    )
    assert "and pretraining from scratch with 50 % (+33.0 [" in found.sentence
    nothing = "HPT-BN (0.0 [−0.9, +0.9] points) gains nothing sure over step 0, even with 100 % of the images"
    assert nothing in found.sentence
    assert "with 1 % of the images HPT is better than pretraining from scratch (+23.0 [" in found.sentence
    assert "and better than direct transfer (+3.0 [" in found.sentence
    assert "with 100 % of the images HPT is better than pretraining from scratch (+8.0 [" in found.sentence
    assert [claim.outcome for claim in found.claims] == [Outcome.BETTER] * 3
    assert [tile.value for tile in found.tiles] == ["25 %", "50 %", "+23.0", "+3.0", "+8.0"]


def test_the_table_has_a_line_per_arm() -> None:
    rows = {row[0]: row[1:] for row in on().table.rows}
    assert list(rows) == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]
    assert rows["HPT"][0].startswith("74.0 % [") and rows["HPT"][1].startswith("+14.0 [") and rows["HPT"][2] == "25 %"
    assert rows["HPT-BN"][2:] == ("no sure gain", "–") and rows["Direct transfer"][1:] == ("–", "–", "–")


def test_replicates_that_agree() -> None:
    """Of 1,000 examples from scratch lacks 10 of its 330 with 50 % of the images, and may lack 16 of so many."""
    rows = {row[0]: row[4] for row in on(examples=1000).table.rows}
    assert int(rows["From scratch"].removesuffix(" %")) == pytest.approx(100 * stats.poisson.cdf(16, 10), abs=3)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (lambda cell: cell[:2] == ("base>target", "100 %"), "cannot be said for HPT (no result with 100 % of them)"),
        (lambda cell: cell[:2] == ("base>target", "25 %"), "HPT keeps 95 % of its gain over step 0 with 50 %"),
        (lambda cell: cell[:2] == ("target", "1 %"), "with 10 % of the images HPT is better than pretraining"),
        (lambda cell: cell[0] == "base", "not comparable with direct transfer (no result for direct transfer)"),
        (lambda cell: cell[2] == 0, "HPT keeps 95 % of its gain over step 0 with 25 %"),
        (
            lambda cell: True,
            "cannot be said for HPT, pretraining from scratch and HPT-BN (no result with 100 % of them)",
        ),
    ],
)
def test_holes(lost: object, said: str) -> None:
    found = on(failed=lost)
    assert said in found.sentence
    assert any(note.startswith("Missing: ") for note in found.notes)


def test_little_data_is_not_enough_evidence() -> None:
    assert "not enough evidence" in on(exact=False, examples=20).sentence


def test_one_seed_says_so() -> None:
    assert any(note.startswith("One seed") for note in on(seeds=1).notes)


def test_arms_that_are_left_out() -> None:
    alone = on(arms=("base", "base>target"))
    assert [(claim.against, claim.outcome) for claim in alone.claims] == [("Direct transfer", Outcome.BETTER)]
    assert on(arms=("target",)).claims == ()
    assert "pretraining from scratch keeps 95 % of its gain over step 0 with 50 %" in on(arms=("target",)).sentence


def test_a_study_without_fractions_is_no_crash() -> None:
    run = simulate_numbers.run(simulate_numbers.study(simulate_numbers.BUDGETS), simulate_numbers.BUDGET_TRUTH)
    assert "nothing was compared" in verdict(run, "rsscn7").sentence
