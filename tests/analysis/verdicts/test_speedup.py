"""The verdict on budgets, on tables whose answer is known and on runs with holes."""

from __future__ import annotations

import pytest
from scipy import stats

from hpt_ray.analysis.claim import Claim, Outcome
from hpt_ray.analysis.findings import Speed
from hpt_ray.analysis.measures.speedup import Bound, SpeedUp
from hpt_ray.analysis.measures.spending import Ahead, Best
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.analysis.verdicts.speedup import confirmed, verdict
from tests.support import simulate_numbers
from tests.support.simulate_numbers import BUDGET_TRUTH, BUDGETS, Truth

SCRATCH = (0.36, 0.42, 0.50, 0.58, 0.64)


def on(
    truth: dict[str, Truth], *, seeds: int = 3, arms: tuple[str, ...] = simulate_numbers.ARMS, **options: object
) -> Verdict:
    spec = simulate_numbers.study(BUDGETS, seeds=seeds, arms=arms)
    options = {"examples": 400, "exact": True} | options
    run = simulate_numbers.run(spec, BUDGET_TRUTH | {"target": SCRATCH} | truth, **options)  # type: ignore[arg-type]
    return verdict(run, "rsscn7")


def test_faster_and_never_reached() -> None:
    """HPT has 0.70 in 90 iterations, from scratch never in 810; its 0.64 HPT has in 30. The base took 1,200."""
    found = on({"base>target": (0.50, 0.64, 0.70, 0.70, 0.70)})
    assert found.sentence.startswith(
        "On rsscn7, HPT is faster than pretraining from scratch: HPT reaches its best accuracy, 70.0 %, in 90 "
        "iterations, which from scratch was not seen to reach in 810, and from scratch needs 9.0 times as many or more "
        "(95 %; estimate beyond 9.0; with the 1,200 iterations of the base counted in, 0.63 times or more); for its "
        "own best, 64.0 % in 810 iterations, from scratch needs 27 times as many (95 %; estimate 27; with the 1,200 "
        "iterations of the base counted in, 0.66 times);"
    )
    assert "exploratory: after 10 iterations HPT is better than pretraining from scratch (+14.0 [" in found.sentence
    assert "after 810 iterations HPT is better than pretraining from scratch (+6.0 [" in found.sentence
    assert "and better than direct transfer (+10.0 [" in found.sentence
    assert [(claim.measure, claim.outcome) for claim in found.claims] == [
        ("speed", Outcome.BETTER),
        *[("accuracy", Outcome.BETTER)] * 3,
    ]
    assert [tile.value for tile in found.tiles] == ["70.0 %", "≥ 9.0×", "27×", "+6.0", "+10.0"]


def test_from_scratch_is_faster() -> None:
    """HPT has 0.50 after 810 iterations, from scratch after 90."""
    found = on({"base>target": (0.34, 0.38, 0.42, 0.46, 0.50)})
    assert found.sentence.startswith(
        "On rsscn7, pretraining from scratch is faster than HPT: HPT reaches its best accuracy, 50.0 %, in 810 "
        "iterations, and from scratch needs 0.11 times as many (95 %; estimate 0.11; "
    )
    assert "the best of from scratch, 64.0 % in 810 iterations, HPT was not seen to reach in 810" in found.sentence
    assert "after 810 iterations HPT is worse than pretraining from scratch (−14.0 [" in found.sentence
    assert {claim.outcome for claim in found.claims} == {Outcome.WORSE}


def test_ahead_early_and_overtaken_late() -> None:
    """HPT has 0.58, its best, in 10 iterations; from scratch in 270, and ends higher."""
    found = on({"base>target": (0.56, 0.58, 0.58, 0.58, 0.58)})
    assert "HPT is faster than pretraining from scratch: HPT reaches its best accuracy, 58.0 %, in 30" in found.sentence
    assert "and from scratch needs 9.0 times as many" in found.sentence
    assert "HPT was not seen to reach in 810" in found.sentence
    assert "after 810 iterations HPT is worse than pretraining from scratch" in found.sentence


def test_the_same_curve_is_equivalent() -> None:
    found = on({"base>target": SCRATCH})
    assert found.sentence.startswith(
        "On rsscn7, HPT and pretraining from scratch come out equivalent within 1 point: HPT reaches its best "
        "accuracy, 64.0 %, in 810 iterations, and from scratch needs 1.0 times as many"
    )


@pytest.mark.parametrize(
    ("outcome", "low", "high", "decision"),
    [
        (Outcome.BETTER, 1.2, 9.0, Outcome.BETTER),
        (Outcome.BETTER, 0.8, 9.0, Outcome.UNDECIDED),
        (Outcome.WORSE, 0.1, 0.9, Outcome.WORSE),
        (Outcome.WORSE, 0.1, 1.3, Outcome.UNDECIDED),
    ],
)
def test_a_claim_that_the_speed_up_does_not_confirm_is_undecided(
    outcome: Outcome, low: float, high: float, decision: Outcome
) -> None:
    claim = Claim("speed", "HPT", "From scratch", None, "accuracy", "linear", outcome=outcome)
    speed = SpeedUp((low + high) / 2, low, high, Bound.EXACT, 0.6, 3)
    own = Ahead(speed, Best(0.6, 90.0, False), 270.0, False, False, None, None)
    assert confirmed(claim, own, own).outcome is decision


def test_both_at_their_best_from_the_start_leave_nothing_to_say() -> None:
    found = on({"target": (0.65,) * 5, "base>target": (0.6,) * 5})
    assert "HPT reaches its best accuracy, 60.0 %, in 10 iterations or fewer, and so does pretraining" in found.sentence
    assert found.tiles[1].value == "–" and "65.0 % in 10 iterations, HPT was not seen to reach in 810" in found.sentence


def test_little_data_is_not_enough_evidence() -> None:
    found = on({"base>target": SCRATCH}, exact=False, examples=30)
    assert "there is not enough evidence that HPT or pretraining from scratch is the faster one" in found.sentence


def test_too_few_images_for_the_speed_are_said_with_how_many_would_be_enough() -> None:
    """Of 100 images that both answer alike 3.6 % may be answered differently; of 368 it is 1 %, by 1 - 0.025^(1/n)."""
    found = on({"base>target": SCRATCH}, examples=100)
    assert "there is not enough evidence that HPT or pretraining from scratch is the faster one" in found.sentence
    assert (
        "Of 100 test images HPT and pretraining from scratch, at the budget that decides which is faster, differ on "
        "none: 368 such images would show that there is no difference of 1 point." in found.notes
    )


def test_budgets_of_its_own_for_an_arm() -> None:
    """As at the paper's scale: the largest budget of both is not the largest of all."""
    factor = BUDGETS.model_copy(
        update={"only": {"base>target": ("10", "30", "90"), "target": ("30", "90", "270", "810")}}
    )
    truth = BUDGET_TRUTH | {"target": SCRATCH, "base>target": (0.50, 0.62, 0.64, 0.0, 0.0)}
    spec = simulate_numbers.study(factor, arms=("target", "base>target"))
    found = verdict(simulate_numbers.run(spec, truth, examples=400, exact=True), "rsscn7")
    assert "in 90 iterations, and from scratch needs 9.0 times as many" in found.sentence
    assert (
        "after 30 iterations HPT is better" in found.sentence and "after 90 iterations HPT is better" in found.sentence
    )
    rows = {row[0]: row[1:3] for row in found.table.rows}
    assert [row[1] for row in rows.values()] == ["810 iterations", "90 iterations"]


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (lambda cell: cell[0] == "base>target", "cannot be said (no result for HPT)"),
        (lambda cell: cell[0] == "target", "cannot be said (no result for pretraining from scratch)"),
        (lambda cell: cell[0] == "base", "not comparable with direct transfer (no result for direct transfer)"),
        (lambda cell: cell[:2] == ("target", "810"), "after 270 iterations HPT is better"),
        (lambda cell: cell[2] == 1, "HPT is faster"),
        (lambda cell: True, "cannot be said (no result for HPT and pretraining from scratch)"),
    ],
)
def test_holes(lost: object, said: str) -> None:
    found = on({"base>target": (0.50, 0.64, 0.70, 0.70, 0.70)}, failed=lost)
    assert said in found.sentence
    assert any(note.startswith("Missing: ") for note in found.notes)


def test_one_seed_says_so() -> None:
    assert any(note.startswith("One seed") for note in on({}, seeds=1).notes)


def test_arms_that_are_left_out() -> None:
    assert "nothing was compared" in on({}, arms=("target", "base")).sentence
    alone = on({}, arms=("base", "base>target"))
    assert alone.sentence.startswith("On rsscn7, after 810 iterations HPT is better than direct transfer")
    without = on({}, arms=("target", "base>target"))
    assert "HPT is faster" in without.sentence and "base counted in" not in without.sentence


def test_a_study_without_budgets_is_no_crash() -> None:
    run = simulate_numbers.run(simulate_numbers.study(simulate_numbers.FRACTIONS), simulate_numbers.FRACTION_TRUTH)
    assert "nothing was compared" in verdict(run, "rsscn7").sentence


def test_the_table_has_a_line_per_arm() -> None:
    rows = {row[0]: row[1:] for row in on({"base>target": (0.50, 0.64, 0.70, 0.70, 0.70)}).table.rows}
    assert list(rows) == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]
    assert (
        rows["HPT"][1:3] == ("810 iterations", "≥ 9.0× (estimate beyond 9.0)") and rows["HPT"][3] == "27× (estimate 27)"
    )
    assert rows["From scratch"][2:] == ("–", "–") and rows["Direct transfer"][1:] == ("–", "–", "–")


def judged(hpt: Truth, studies: int) -> tuple[int, int]:
    """How many noisy studies say that HPT is faster, and how many that from scratch is."""
    said = [
        on({"base>target": hpt}, arms=("target", "base>target"), exact=False, examples=150, seed=seed).sentence
        for seed in range(studies)
    ]
    return (
        sum("HPT is faster than pretraining from scratch:" in sentence for sentence in said),
        sum("pretraining from scratch is faster than HPT:" in sentence for sentence in said),
    )


def test_identical_curves_are_seldom_said_to_lie_far_apart() -> None:
    """Of curves that do not differ some end high by chance; what is said of them is an interval, which holds one."""
    for seed in range(3):
        found = on({"base>target": SCRATCH}, arms=("target", "base>target"), exact=False, examples=100, seed=seed)
        (speed,) = [finding for finding in found.findings if isinstance(finding, Speed)]
        assert speed.own.speed.low <= 1 <= speed.own.speed.high
        assert "at least" not in found.sentence


@pytest.mark.slow
def test_faster_is_seldom_wrong_and_often_found() -> None:
    assert max(judged(SCRATCH, 60)) <= stats.binom.ppf(0.999, 60, 0.025)
    faster, slower = judged((0.56, 0.66, 0.74, 0.80, 0.84), 15)
    assert faster >= 10 and slower == 0
    faster, slower = judged((0.26, 0.29, 0.32, 0.36, 0.42), 15)
    assert faster == 0 and slower >= 10
