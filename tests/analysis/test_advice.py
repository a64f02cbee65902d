"""What an advice recommends, from answers of a known truth, and how often it is right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.advice import RATE, Advice
from hpt_ray.analysis.advice_words import sentences
from hpt_ray.analysis.claim import Outcome
from hpt_ray.planning.screening import MOST, final
from hpt_ray.planning.screening import Standing as Now
from hpt_ray.spec.growing import growing
from tests.support import noisy_advice
from tests.support.noisy_advice import EVERY, IMAGES, POINT, STUDY, Drawn, Played, World, decide, play, screening_of

BASE, ONE, OTHER = "objects_n_80", "objects_n_80>target_crop_only_30", "objects_n_80>target:bn"
NOW = Now(tuple(candidate for arm in (ONE, OTHER, BASE) for candidate in EVERY if candidate.arm == arm), BASE)
LUCK = np.random.default_rng(3).standard_normal(MOST)


def advised(gains: dict[str, float], val: dict[str, float], luck: float = 0.5) -> tuple[Drawn, Advice]:
    """The advice where finalists gain so many points over the base but for luck, with these values on val."""
    study = growing(final(STUDY, EVERY, NOW), MOST)
    chance = np.random.default_rng(4).standard_normal((MOST, IMAGES))
    chance -= chance.mean(axis=1, keepdims=True)
    arms = [arm.chain for arm in study.arms]
    answers = {
        arm: POINT * (60 + gains.get(arm, 0.0) + luck * LUCK[:, None] * (arm in gains) + chance * (arm in gains))
        for arm in arms
    }
    on_val = {arm: np.full(MOST, val.get(arm, 0.5)) for arm in arms}
    return decide(study, screening_of([], NOW, val), answers, on_val)


def test_the_best_on_val_is_recommended_if_it_was_shown_to_be_better() -> None:
    run, advice = advised({ONE: 5.0, OTHER: 6.0}, {ONE: 0.7, OTHER: 0.6})
    assert advice.shown and advice.candidate.arm == ONE and advice.base.arm == BASE
    assert advice.gain is not None and advice.gain.low < 5 * POINT < advice.gain.high
    first, second = sentences(run, advice)
    assert first == (
        "Pretrain on aerial: HPT from synthetic:objects,n=80, by moco_v2 under the crop_only policy for 30 iterations "
        f"(arm {ONE})."
    )
    assert (
        second.startswith("It gains +4.9 points of accuracy ")
        and "over using synthetic:objects,n=80 as it is (90 % interval +" in second
    )


def test_of_two_of_which_one_was_shown_it_is_the_one() -> None:
    _, advice = advised({ONE: 0.1, OTHER: 6.0}, {ONE: 0.7, OTHER: 0.6})
    assert advice.candidate.arm == OTHER and advice.shown


@pytest.mark.parametrize(("gained", "outcome"), [(0.0, Outcome.EQUIVALENT), (-5.0, Outcome.WORSE)])
def test_where_nothing_was_shown_it_abstains(gained: float, outcome: Outcome) -> None:
    run, advice = advised({ONE: gained, OTHER: gained}, {ONE: 0.7, OTHER: 0.6}, luck=0.1)
    assert (advice.outcome, advice.candidate.arm, advice.subject.arm) == (outcome, BASE, ONE)
    first, second = sentences(run, advice)
    assert first == "Nothing was shown to be better than using synthetic:objects,n=80 as it is."
    assert f"which is {outcome}" in second.replace("equivalent within 1 point", "equivalent")


def test_seeds_whose_answers_are_all_the_same_are_counted_too() -> None:
    run, advice = advised({}, {ONE: 1.0, OTHER: 1.0})
    assert not advice.shown and advice.gain is not None and advice.gain.seeds == len(run.study.seeds) == 3
    assert "gained 0.0 points" in sentences(run, advice)[1] and "over 3 fresh seeds)" in sentences(run, advice)[1]


def test_the_interval_is_students_at_the_level_that_the_first_look_may_use() -> None:
    """Without variance between images: of the rate (rows / most) ** 1.5 is spent, half on either side."""
    run, advice = advised({ONE: 20.0, OTHER: 20.0}, {ONE: 0.7, OTHER: 0.6})
    rows, seen = len(run.study.seeds), 20 + 0.5 * LUCK[:3]
    assert rows == 3 and advice.gain is not None
    half = stats.t.ppf(1 - RATE * (rows / MOST) ** 1.5 / 2, rows - 1) * seen.std(ddof=1) / np.sqrt(rows)
    assert advice.gain.estimate == pytest.approx(POINT * seen.mean())
    assert (advice.gain.high - advice.gain.low) / 2 == pytest.approx(POINT * half, rel=0.05)  # by draws


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("world", "given"),
    [(World(), False), (World(base_luck=0.0), True), (World(base_luck=0.0, mean_gain=-1.0, gain=1.0), True)],
    ids=["bases are pretrained", "bases are given", "little to gain"],
)
def test_the_gain_is_what_fresh_rows_would_show_and_the_choice_as_good_as_that_of_all_rows(
    world: World, given: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No winner's curse: 340 advices of each world, of which the interval of the gain covers 85 % at least."""
    monkeypatch.setattr(noisy_advice, "BASE_COST", 0 if given else 600)
    generator = np.random.default_rng(11)
    played = [play(world, generator) for _ in range(340)]
    covered = np.mean([each.covered for each in played])
    within = np.mean([each.regret_of_subject <= 1.0 for each in played])
    shown = [each for each in played if each.advice.shown]
    false = np.mean([each.advice.shown and gained(each) <= 0 for each in played])
    good = np.mean([each.regret <= 1.0 for each in shown])
    recommended = np.mean([each.regret <= 1.0 for each in played])
    print(
        f"{world}: 90 % interval covers {covered:.1%}, best candidate within 1 point {within:.1%}, shown "
        f"{len(shown) / len(played):.1%} of which within 1 point {good:.1%} (of all {recommended:.1%}), "
        f"falsely {false:.1%}, "
        f"{np.mean([each.rows for each in played]):.1f} rows, {np.mean([each.cost for each in played]):.0%} of the cost"
    )
    assert covered >= 0.85 and within >= 0.8 and good >= 0.8 and false <= 0.025


def gained(played: Played) -> float:
    return played.truth[played.advice.subject.arm] - played.truth[played.advice.base.arm]
