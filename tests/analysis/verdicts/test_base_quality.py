"""The verdict on bases, on tables whose answer is known and on runs with holes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.analysis.verdicts.base_quality import verdict
from tests.support import simulate_numbers
from tests.support.simulate_numbers import BASES, Truth

#: From the weakest to the strongest base HPT rises by 0.06 and direct transfer by 0.18.
TRUTH: dict[str, Truth] = {
    "target": 0.55,
    "base": (0.42, 0.52, 0.60, 0.63),
    "base>target": (0.63, 0.66, 0.69, 0.70),
    "base>target:bn": (0.52, 0.60, 0.65, 0.67),
}


def on(
    truth: dict[str, Truth] | None = None,
    *,
    seeds: int = 3,
    arms: tuple[str, ...] = simulate_numbers.ARMS,
    **options: object,
) -> Verdict:
    spec = simulate_numbers.study(BASES, seeds=seeds, arms=arms)
    options = {"examples": 400, "exact": True} | options
    return verdict(simulate_numbers.run(spec, TRUTH | (truth or {}), **options), "rsscn7")  # type: ignore[arg-type]


def test_hpt_rises_less_than_direct_transfer() -> None:
    found = on()
    assert found.sentence.startswith(
        "On rsscn7, a longer base does less for HPT than for direct transfer: from the weakest base (60 "
        "iterations) to the strongest (1,200 iterations) HPT changes by +6.0 ["
    )
    assert "and direct transfer by +18.0 [" in found.sentence and "(direct transfer minus HPT +12.0 [" in found.sentence
    assert "from the base of 60 iterations HPT is better than pretraining from scratch (+8.0 [" in found.sentence
    assert "from the base of 1,200 iterations HPT is better than direct transfer (+9.0 [" in found.sentence
    assert "from the supervised base HPT reaches 70.0 % [" in found.sentence
    assert [(claim.measure, claim.outcome) for claim in found.claims] == [
        ("robustness", Outcome.BETTER),
        ("accuracy", Outcome.BETTER),
        ("accuracy", Outcome.BETTER),
    ]
    assert [tile.value for tile in found.tiles] == ["+6.0", "+18.0", "+8.0", "+9.0"]
    assert found.notes == ()


def test_hpt_rises_more_and_is_worse_than_from_scratch() -> None:
    found = on({"base>target": (0.40, 0.55, 0.70, 0.70), "base": (0.55, 0.56, 0.57, 0.6)})
    assert "does more for HPT than for direct transfer" in found.sentence
    assert "(direct transfer minus HPT −28.0 [" in found.sentence
    assert "from the base of 60 iterations HPT is worse than pretraining from scratch (−15.0 [" in found.sentence
    assert [claim.outcome for claim in found.claims] == [Outcome.WORSE, Outcome.WORSE, Outcome.BETTER]


def test_the_same_rise_is_equivalent() -> None:
    rise = {"base>target": (0.42, 0.52, 0.60, 0.63)}
    assert "does as much for HPT as for direct transfer, within 1 point" in on(rise, examples=800).sentence
    # Of one image the two changes may be two apart, so that it takes 736 to show a point.
    (few, *_) = on(rise).claims
    assert few.difference is not None
    assert few.difference.high == pytest.approx(2 * (1 - 0.025 ** (1 / 400)))
    assert few.outcome is Outcome.UNDECIDED


def test_the_difference_of_differences_is_paired() -> None:
    """Against scipy's bootstrap of each test example's own difference of differences, with one seed."""
    run = simulate_numbers.run(simulate_numbers.study(BASES, seeds=1), TRUTH, examples=1000)
    hpt, direct = (
        run.scores("rsscn7", arm, "1200")[0] - run.scores("rsscn7", arm, "60")[0] for arm in ("base>target", "base")
    )
    low, high = stats.bootstrap((direct - hpt,), np.mean, n_resamples=2000, rng=0).confidence_interval
    found = verdict(run, "rsscn7").claims[0].difference
    assert found is not None and found.estimate == pytest.approx((direct - hpt).mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_little_data_is_not_enough_evidence() -> None:
    assert "there is not enough evidence that a longer base" in on(exact=False, examples=20).sentence


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        (lambda cell: cell[0] == "base>target", "how much HPT depends on its base cannot be said"),
        (lambda cell: cell[0] == "base", "how much HPT depends on its base cannot be said"),
        (lambda cell: cell[0] == "target", "not comparable with pretraining from scratch (no result for from scratch)"),
        (lambda cell: cell[1] == "60", "from the weakest base (300 iterations) to the strongest (1,200 iterations)"),
        (lambda cell: cell[1] == "1200", "from the weakest base (60 iterations) to the strongest (300 iterations)"),
        (lambda cell: cell[2] == 0, "HPT changes by +6.0 ["),
        (lambda cell: True, "how much HPT depends on its base cannot be said"),
    ],
)
def test_holes(lost: object, said: str) -> None:
    found = on(failed=lost)
    assert said in found.sentence
    assert any(note.startswith("Missing: ") for note in found.notes)


def test_one_seed_says_so() -> None:
    assert any(note.startswith("One seed") for note in on(seeds=1).notes)


def test_arms_that_are_left_out() -> None:
    assert [claim.against for claim in on(arms=("target", "base>target")).claims] == ["From scratch"]
    assert [claim.measure for claim in on(arms=("base", "base>target")).claims] == ["robustness", "accuracy"]
    assert "nothing was compared" in on(arms=("target", "base")).sentence


def test_a_study_of_the_target_is_no_crash() -> None:
    run = simulate_numbers.run(simulate_numbers.study(simulate_numbers.BUDGETS), simulate_numbers.BUDGET_TRUTH)
    found = verdict(run, "rsscn7")
    assert "nothing was compared" in found.sentence and found.claims == ()


def test_the_table_has_a_line_per_base() -> None:
    found = on()
    assert found.table.columns == ("Base", "Direct transfer", "HPT", "HPT-BN", "HPT over direct transfer")
    rows = {row[0]: row[1:] for row in found.table.rows}
    assert list(rows) == ["60 iterations", "300 iterations", "1,200 iterations", "supervised"]
    assert [row[-1].split()[0] for row in rows.values()] == ["+21.0", "+14.0", "+9.0", "+7.0"]
