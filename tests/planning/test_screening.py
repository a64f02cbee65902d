"""Successive halving of the candidates of an advice: who goes on, at what rows, and what decides about the best."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.planning.plan import Cell
from hpt_ray.planning.screening import FINALISTS, ROWS, Standing, costs, final, rung, standing, values
from hpt_ray.spec.candidates import Candidate, candidates
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.growing import growing
from hpt_ray.spec.parameters import make
from hpt_ray.spec.study import Study
from tests.support import small

BASES = ("synthetic:objects,n=80", "synthetic:texture,n=80")
CHAINS, POLICIES, BUDGETS = ("base>target", "base>target:bn"), ("baseline", "crop_only"), (3, 9)
EVERY = candidates(BASES, CHAINS, ["moco_v2"], POLICIES, BUDGETS)


def study(**changes: Any) -> Study:
    given = {"base": BASES, "target": (small.TARGET,), "arms": CHAINS, "policies": POLICIES, "budgets": BUDGETS}
    return make("advice", given | {"precision": "float32"} | changes)


def datasets(of: Study) -> dict[str, Any]:
    return {spec: small.dataset(spec) for spec in data_of(of)}


def named(arm: str) -> Candidate:
    return next(candidate for candidate in EVERY if candidate.arm == arm)


def in_order(*best: str) -> dict[str, float | None]:
    """Values at which the named arms come first in this order, and all others in the order of the study."""
    order = [*best, *(candidate.arm for candidate in EVERY if candidate.arm not in best)]
    return {arm: 1 - place / 100 for place, arm in enumerate(order)}


def test_a_rung_has_its_candidates_on_paired_rows_and_earlier_stages_again() -> None:
    made = study()
    first = rung(made, datasets(made), EVERY, 1)
    assert {cell.arm for cell in first.cells} == {candidate.arm for candidate in EVERY}
    left = [candidate for candidate in EVERY if candidate.base_role != "texture_n_80"]
    second = rung(made, datasets(made), left, 2)
    assert {cell.seed for cell in second.cells} == {0, 1}
    assert {cell.arm for cell in second.cells} == {candidate.arm for candidate in left}
    again = {stage for cell in second.cells if cell.seed == 0 for stage in cell.phases}
    assert again <= set(first.stages)


def test_values_are_means_over_the_rows_and_none_where_one_failed() -> None:
    made = study()
    plan = rung(made, datasets(made), EVERY, 2)

    def value(cell: Cell) -> float:
        return math.nan if cell.arm == "target" and cell.seed == 1 else {0: 0.25, 1: 0.75}[cell.seed or 0]

    means = values(plan, value)
    assert means.pop("target") is None
    assert set(means.values()) == {0.5}


def test_the_better_half_goes_on_with_the_bases_that_it_starts_from_and_the_best_base() -> None:
    best = "objects_n_80>target", "objects_n_80>target:bn", "texture_n_80"
    images = dict.fromkeys(in_order(), 1)
    now = standing(EVERY, in_order(*best), images)
    assert now.base == "texture_n_80"
    training = [candidate.arm for candidate in now.left if candidate.trains]
    assert training[:2] == list(best[:2])
    assert len(training) == 9  # of 17
    last = standing([named(arm) for arm in (*best, "objects_n_80", "target")], in_order(*best), images)
    assert [candidate.arm for candidate in last.left] == [*best[:1], best[1], "texture_n_80", "objects_n_80"]
    assert last.settled and not now.settled


def test_of_equal_candidates_the_cheaper_goes_first() -> None:
    made = study()
    images = costs(rung(made, datasets(made), EVERY, 1))
    assert images["objects_n_80>target"] - images["objects_n_80>target_baseline_3"] == 6 * 64
    equal: dict[str, float | None] = {candidate.arm: 0.5 for candidate in EVERY}
    training = [candidate for candidate in standing(EVERY, equal, images).left if candidate.trains]
    assert [candidate.iterations for candidate in training[1:]] == [3] * 8
    assert training[0].arm == "target"  # without a base to pretrain it is the cheapest


def test_what_failed_goes_no_further_and_where_all_did_there_is_no_advice() -> None:
    images = dict.fromkeys(in_order(), 1)
    means = in_order("target") | {"target": None}
    assert named("target") not in standing(EVERY, means, images).left
    nothing = {candidate.arm: None if candidate.trains else 0.5 for candidate in EVERY}
    with pytest.raises(StudyError, match="everything that pretrains on the target has failed"):
        standing(EVERY, nothing, images)
    with pytest.raises(StudyError, match="every base as it is has failed"):
        standing(EVERY, {candidate.arm: 0.5 if candidate.trains else None for candidate in EVERY}, images)


def test_the_last_study_has_the_best_two_and_what_they_are_held_against_on_fresh_rows() -> None:
    finalists = "objects_n_80>target_crop_only_3", "objects_n_80>target:bn"
    now = Standing(
        tuple(map(named, (*finalists, "texture_n_80>target", "texture_n_80", "objects_n_80"))), "texture_n_80"
    )
    decided = final(study(), EVERY, now)
    assert {arm.chain for arm in decided.arms} == {*finalists, "target", "texture_n_80", "objects_n_80"}
    grown = growing(decided, 5)
    assert not set(grown.seeds) & set(range(ROWS[-1])) and len(grown.seeds) == 5
    assert FINALISTS == 2
