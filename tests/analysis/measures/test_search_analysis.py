"""What a search found, on runs whose truth is a formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from hpt_ray.analysis.claim import Outcome
from hpt_ray.analysis.measures.holes import holes
from hpt_ray.analysis.measures.importance import importance, importances, p_values
from hpt_ray.analysis.measures.run import HPT, SCRATCH, Run
from hpt_ray.analysis.measures.search import confirmed, flatness, flatness_difference, tried, winners
from hpt_ray.analysis.measures.views import one_factor
from hpt_ray.analysis.verdicts.search import SEARCHED, verdict
from hpt_ray.core.registry import load, names
from hpt_ray.spec.policy_space import OPERATORS, SPACE, random_policies
from tests.support import simulate_search as simulated

TARGET = simulated.TARGET
RANDOM, ASKED = 20, 6


@pytest.fixture(scope="module")
def run() -> Run:
    return simulated.run(
        simulated.flat_and_peaked, luck=0.0, own=0.02, val=50_000, examples=2_000, random=RANDOM, asked=ASKED
    )


@pytest.fixture(scope="module")
def noisy() -> Run:
    """Few policies, one seed to confirm with, and no HPT-BN policy that finished."""
    return simulated.run(
        simulated.flat_and_peaked, seeds=1, random=4, asked=3, failed=lambda cell: cell.arm == "base>target:bn"
    )


def test_every_policy_is_listed_with_what_it_reached(run):
    table = tried(run, TARGET)
    for _, mine in table.groupby("arm"):
        assert (mine["rung"] == "1/3").sum() == 1 + RANDOM + ASKED
        assert mine["reached"].sum() == 1 + RANDOM + ASKED // 3
        assert set(mine.loc[mine["random"], "level"]) == set(random_policies(0, RANDOM))
    assert table[list(SPACE)].notna().all(axis=None)
    rows = run.results.query("arm == 'target' and policy == 'random 03' and split == 'val' and evaluation == 'linear'")
    own = table.query("arm == 'target' and level == 'random 03'").set_index("rung")["value"]
    assert own.to_dict() == rows.set_index("rung")["value"].to_dict()


def test_the_winner_is_the_best_on_val_and_is_confirmed_on_seeds_of_its_own(run):
    table, inner = tried(run, TARGET), confirmed(run, TARGET)
    for arm, level in winners(run, TARGET).items():
        full = table.query("arm == @arm and reached and level != 'baseline'")
        assert level == full.loc[full["value"].idxmax(), "level"]
        assert inner.levels_of(arm) == ("baseline", level)
    assert inner.study.seeds == (1, 2, 3) and holes(inner, TARGET) == []
    assert set(inner.predictions["seed"].dropna()) == {1, 2, 3}
    assert set(inner.predictions["rung"].dropna()) == {"full"}


def test_the_search_finds_the_crop_that_counts(run):
    table = tried(run, TARGET).set_index(["arm", "level"])
    found = table.loc[(SCRATCH, winners(run, TARGET)[SCRATCH]), "crop_scale"]
    assert found.iloc[0] == pytest.approx(0.3, abs=0.12)


def test_flatness_without_noise_is_the_deviation_that_the_formula_gives(run):
    truth = [simulated.flat_and_peaked("target", point_of(name)) for name in random_policies(0, RANDOM)]
    found = flatness(run, TARGET)
    assert found[SCRATCH].variation is not None and found[HPT].variation is not None
    assert found[SCRATCH].variation.deviation == pytest.approx(np.std(truth, ddof=1), abs=0.01)
    assert found[HPT].variation.deviation == pytest.approx(0.0, abs=0.005)
    assert np.mean(list(found[SCRATCH].losses.values())) == pytest.approx(max(truth) - np.mean(truth), abs=0.015)


def point_of(name: str) -> dict[str, float]:
    from hpt_ray.spec.policy_space import to_point

    point = to_point(random_policies(0, RANDOM)[name])
    assert point is not None
    return point


def test_a_flat_arm_is_told_from_a_peaked_one(run):
    found = flatness_difference(run, TARGET, HPT, SCRATCH)
    assert found is not None and found.low > 0 and found.p < 0.05
    other = flatness_difference(run, TARGET, SCRATCH, HPT)
    assert other is not None and other.estimate == -found.estimate and other.p == pytest.approx(found.p, abs=0.01)


def points(generator: np.random.Generator, number: int) -> np.ndarray:
    low, high = np.array(list(SPACE.values())).T
    return low + (high - low) * generator.random((number, len(SPACE)))


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_one_operator_that_matters_is_found(operator):
    generator = np.random.default_rng(2)
    tried_points = points(generator, 40)
    column = list(SPACE).index(OPERATORS[operator][0])
    scaled = (tried_points[:, column] - tried_points[:, column].mean()) / tried_points[:, column].std()
    found = importances(tried_points, scaled + 0.3 * generator.standard_normal(40))
    assert [name for name, part in found.items() if part.shown] == [operator]
    assert max(found, key=lambda name: found[name].share.estimate - found[name].chance) == operator
    assert sum(part.share.estimate for part in found.values()) == pytest.approx(1.0)
    assert sum(part.chance for part in found.values()) == pytest.approx(1.0)


def test_where_nothing_matters_an_operator_is_seldom_said_to():
    generator, wrong, searches = np.random.default_rng(3), 0, 100
    for _ in range(searches):
        found = p_values(points(generator, 12), generator.standard_normal(12))
        wrong += min(found.values()) < 0.05
    assert wrong <= stats.binom.ppf(0.999, searches, 0.05)


def test_a_hump_matters_as_much_as_a_slope():
    generator = np.random.default_rng(4)
    tried_points = points(generator, 24)
    value = -((tried_points[:, 0] - 0.5) ** 2) + 0.01 * generator.standard_normal(24)
    assert p_values(tried_points, value)["crop"] < 0.05


def test_the_verdict_says_what_the_tables_say(run):
    found = verdict(run, TARGET)
    robust, *gains = found.claims
    said = {
        Outcome.BETTER: "the choice of policy matters less to HPT than to pretraining from scratch",
        Outcome.UNDECIDED: "not enough evidence that the choice of policy matters to HPT and pretraining from scratch",
    }[robust.outcome]
    assert said in found.sentence and robust.difference == flatness_difference(run, TARGET, HPT, SCRATCH)
    assert [claim.subject for claim in gains if claim.measure == SEARCHED] == ["From scratch", "HPT", "HPT-BN"]
    (hpt,) = [claim for claim in gains if claim.measure == SEARCHED and claim.subject == "HPT"]
    assert hpt.outcome in (Outcome.EQUIVALENT, Outcome.UNDECIDED)
    assert "each at its best, HPT is better than pretraining from scratch" in found.sentence
    assert any("From scratch: shown to matter: crop (20 random policies" in note for note in found.notes)
    assert any("HPT: no operator is shown to matter" in note for note in found.notes)
    assert any(note.startswith("Best policy of From scratch (") and "crop from 0." in note for note in found.notes)
    assert [row[0] for row in found.table.rows] == ["From scratch", "Direct transfer", "HPT", "HPT-BN"]


def test_the_verdict_of_a_search_with_holes(noisy):
    found = verdict(noisy, TARGET)
    assert "HPT-BN" not in winners(noisy, TARGET)
    assert any("pretrainings of the search have no result" in note for note in found.notes)
    assert any("too few random policies finished to say which operators matter" in note for note in found.notes)
    assert importance(noisy, TARGET, HPT) is None
    assert "base>target:bn" not in flatness(noisy, TARGET)


@pytest.mark.slow
def test_every_figure_of_the_page_draws_and_the_others_do_not_fail(run, noisy):
    for made in (run, noisy):
        for name in names("figures"):
            figure = load("figures", name)
            figure.draw(figure.compute(made if figure.every_factor else one_factor(made)))


def test_the_figures_show_what_the_analysis_found(run):
    (panel,) = load("figures", "policies_tried").compute(run)
    assert {arm: len(table) for arm, table in panel.policies.items()} == dict.fromkeys(
        panel.arms, 1 + RANDOM + ASKED // 3
    )
    drawn = load("figures", "policies_tried").draw((panel,))
    assert len(drawn.data) == len(SPACE) * len(panel.arms)
    (flat,) = load("figures", "flatness").compute(run)
    assert flat.by_arm == flatness(run, TARGET)
    (operators,) = load("figures", "importance").compute(run)
    assert operators.operators[SCRATCH] == importance(run, TARGET, SCRATCH)
