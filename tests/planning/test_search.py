"""A search as a plan that grows: which policies are tried, which go on, and that nothing but the values decides it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.planning.plan import Cell
from hpt_ray.planning.search import Unfolded, unfold
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.policy_space import random_policies, to_point
from hpt_ray.spec.study import Study
from tests.support import simulate_search as simulated
from tests.support import small

ARMS = ("target", "base>target", "base>target:bn")
MADE = simulated.study(random=5, asked=6, rounds=2)


def by_stage(cell: Cell) -> float:
    """A value that tells the weights it is of."""
    return int(cell.phases[-1][:6], 16) / 16**6


def play(
    made: Study, value: Callable[[Cell], float], batch: Callable[[list[Cell]], list[Cell]] = list
) -> list[Unfolded]:
    """Play a search whose cells get their values in the order of ``batch``, some or all of what is known at a time."""
    values: dict[str, float] = {}
    seen = []
    while True:
        seen.append(simulated.played(made, lambda cell: values.get(cell.evaluations[0])))
        new = [cell for cell in seen[-1].plan.cells[: seen[-1].known] if cell.evaluations[0] not in values]
        if not new:
            return seen
        values.update({cell.evaluations[0]: value(cell) for cell in batch(new)})


@pytest.fixture(scope="module")
def done() -> Unfolded:
    return play(MADE, by_stage)[-1]


def levels_at(found: Unfolded, arm: str, rung: str, seeds: tuple[int, ...] = (0,)) -> list[str]:
    cells = [cell for cell in found.plan.cells if cell.arm == arm and cell.levels["rung"] == rung]
    return list(dict.fromkeys(str(cell.levels["policy"]) for cell in cells if cell.seed in seeds))


@pytest.mark.parametrize("arm", ARMS)
def test_random_policies_are_the_same_for_every_arm_and_take_every_rung(done, arm):
    first = ["baseline", *(f"random {number:02}" for number in range(1, 6))]
    for rung in ("1/3", "full"):
        assert levels_at(done, arm, rung)[:6] == first
    levels = done.plan.study.factors[0].levels
    assert {name: levels[name] for name in first[1:]} == random_policies(0, 5)


@pytest.mark.parametrize("arm", ARMS)
def test_the_best_third_of_what_was_asked_for_goes_on(done, arm):
    cells = {
        cell.levels["policy"]: cell for cell in done.plan.cells if cell.arm == arm and cell.levels["rung"] == "1/3"
    }
    for number in (1, 2):
        asked = [name for name in levels_at(done, arm, "1/3") if name.startswith(f"tpe {number}.")]
        assert len(asked) == 6
        best = sorted(asked, key=lambda name: -by_stage(cells[name]))[:2]
        assert sorted(name for name in levels_at(done, arm, "full") if name in asked) == sorted(best)


@pytest.mark.parametrize("arm", ARMS)
def test_the_best_and_the_baseline_are_confirmed_on_other_seeds(done, arm):
    full = {
        cell.levels["policy"]: by_stage(cell)
        for cell in done.plan.cells
        if cell.arm == arm and cell.levels["rung"] == "full" and cell.seed == 0 and cell.levels["policy"] != "baseline"
    }
    assert levels_at(done, arm, "full", (1, 2, 3)) == ["baseline", max(full, key=lambda name: full[name])]
    assert levels_at(done, arm, "1/3", (1, 2, 3)) == []


def test_direct_transfer_is_there_once(done):
    assert [cell.levels for cell in done.plan.cells if cell.arm == "base"] == [{"policy": None, "rung": None}]


def test_every_policy_is_a_level_of_the_arms_that_tried_it(done):
    policy = done.plan.study.factors[0]
    for arm in done.plan.study.arms[1:]:
        if policy.varies(arm):
            assert set(policy.levels_of(arm)) == set(levels_at(done, arm.chain, "1/3"))
    used = Counter(name for names in policy.only.values() for name in names)
    assert {name for name, times in used.items() if times > 1} == {"baseline", *random_policies(0, 5)}


def test_the_size_and_the_id_are_known_from_the_start():
    seen = play(MADE, by_stage)
    assert {len(found.plan.cells) for found in seen} == {len(seen[-1].plan.cells)}
    assert {len(found.plan.stages) for found in seen} == {len(seen[-1].plan.stages)}
    assert len({found.plan.id for found in seen}) == 1
    assert [found.known for found in seen] == sorted(found.known for found in seen)
    assert len(seen[-1].plan.cells) == seen[-1].known


def test_the_id_changes_with_the_search_and_the_data_alone():
    other = {spec: small.dataset(spec, "changed") for spec in data_of(MADE)}
    ids = {
        simulated.played(MADE, by_stage).plan.id,
        simulated.played(simulated.study(random=6, asked=6, rounds=2), by_stage).plan.id,
        unfold(MADE, other, by_stage).plan.id,
    }
    assert len(ids) == 3
    # What a run writes down of itself has all policies, and is the same search.
    played = simulated.played(MADE, by_stage)
    assert simulated.played(played.plan.study, by_stage).plan.cells == played.plan.cells


def test_the_order_in_which_results_come_changes_nothing(done):
    def some(cells: list[Cell]) -> list[Cell]:
        return cells[::-1][: max(1, len(cells) // 2)]

    assert play(MADE, by_stage, some)[-1].plan.cells == done.plan.cells


def test_what_is_ready_has_no_policy_that_is_only_foreseen():
    first = play(MADE, by_stage)[0]
    assert set(first.ready.study.factors[0].levels) == {"baseline", *random_policies(0, 5)}
    assert len(first.plan.study.factors[0].levels) > 6
    assert set(first.ready.stages) < set(first.plan.stages)
    assert {cell.levels["rung"] for cell in first.ready.cells} == {None, "1/3"}


def test_a_policy_that_failed_goes_no_further():
    bad = random_policies(0, 5)["random 02"]

    def value(cell: Cell) -> float:
        return math.nan if cell.levels["policy"] == "random 02" and cell.arm == "target" else by_stage(cell)

    found = play(MADE, value)[-1]
    assert "random 02" in levels_at(found, "target", "1/3")
    assert "random 02" not in levels_at(found, "target", "full")
    assert "random 02" in levels_at(found, "base>target", "full")
    assert bad in found.plan.study.factors[0].levels.values()


def test_an_arm_of_which_all_failed_is_asked_for_nothing_more(done):
    found = play(MADE, lambda cell: math.nan if cell.arm == "base>target" else by_stage(cell))[-1]
    assert levels_at(found, "base>target", "1/3") == ["baseline", *random_policies(0, 5)]
    assert levels_at(found, "base>target", "full", (1, 2, 3)) == ["baseline"]
    assert [cell for cell in found.plan.cells if cell.arm == "target"] == [
        cell for cell in done.plan.cells if cell.arm == "target"
    ]


def test_the_sampler_comes_nearer_to_the_optimum_than_chance():
    """A known objective: the nearer the crop's scale to 0.3 and the flip's probability to 0.8, the better."""
    made = simulated.study(random=12, asked=12, rounds=2, seed=3)

    def distance(policy: object) -> float:
        point = to_point(Policy.model_validate(policy))
        assert point is not None
        return (point["crop_scale"] - 0.3) ** 2 + (point["flip_p"] - 0.8) ** 2

    policies: dict[str, object] = {}
    values: dict[str, float] = {}
    while True:
        found = simulated.played(made, lambda cell: values.get(cell.evaluations[0]))
        policies = dict(found.plan.study.factors[0].levels)
        new = [cell for cell in found.plan.cells[: found.known] if cell.evaluations[0] not in values]
        if not new:
            break
        for cell in new:
            level = cell.levels["policy"]
            values[cell.evaluations[0]] = 1 - distance(policies[level]) if level else 0.0
    asked = [distance(policy) for name, policy in policies.items() if name.startswith("tpe 2")]
    chance = [distance(policy) for policy in random_policies(99, 500).values()]
    assert len(asked) == 36
    assert np.mean(asked) < np.mean(chance) - 3 * np.std(chance) / 36**0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors": (small.policy_factor(),)}, "a search needs two factors"),
        ({"seeds": (0,)}, "must leave others to confirm with"),
        ({"seeds": (1, 2)}, r"some of the seeds \[1, 2\]"),
    ],
)
def test_a_search_that_does_not_hold_together_is_refused(changes, message):
    with pytest.raises(StudyError, match=message):
        Study.model_validate({**dict(MADE), **changes})
