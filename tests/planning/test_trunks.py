"""Budgets of the schedule wsd: which stages they share, in which order, and what that costs."""

from __future__ import annotations

from typing import Any

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import PretrainingStage
from hpt_ray.planning.trunks import family, is_trunk, sharing, with_trunks
from hpt_ray.spec import factors
from tests.support import small

TEN = tuple(range(100, 1001, 100))


def planned(budgets: tuple[int, ...], schedule: str = "wsd", **changes: Any) -> Plan:
    """From scratch and HPT at each budget, from a base with a schedule of its own."""
    target = small.recipe(schedule=schedule, **changes.pop("recipe", {}))
    recipes = {"base": small.recipe(data=small.BASE, seed=0, iterations=3), "target": target}
    given = {"arms": ("target", "base>target"), "factors": (factors.budgets(budgets),), "recipes": recipes}
    return small.plan(small.study(**given | changes))


def pretrainings(plan: Plan) -> list[PretrainingStage]:
    return [stage for stage in plan.stages.values() if stage.kind == "pretrain"]


def of_arm(plan: Plan, arm: str, budget: int) -> PretrainingStage:
    (cell,) = (cell for cell in plan.cells if cell.arm == arm and cell.iterations == budget)
    stage = plan.stages[cell.phases[-1]]
    assert stage.kind == "pretrain"
    return stage


def cost(plan: Plan, arm: str) -> int:
    """Iterations that an arm's target pretrainings take."""
    first = family(of_arm(plan, arm, 1000))
    own = [stage for stage in pretrainings(plan) if family(stage) == first or stage.content.recipe.schedule == "cosine"]
    return sum(stage.images // stage.content.recipe.batch for stage in own if stage.content.iterations > 3)


def test_ten_budgets_cost_less_than_two_of_the_largest_and_cosines_five_and_a_half() -> None:
    assert cost(planned(TEN), "target") == 1900  # 800 of the trunk, and a fifth of each
    assert cost(planned(TEN), "base>target") == 1900
    assert cost(planned(TEN, "cosine", arms=("target",)), "target") == 5500
    worst = planned(TEN, recipe={"cooldown": 0.28})
    assert 2000 < cost(worst, "target") <= 2300
    shared = sharing(planned(TEN).stages.values())
    assert shared is not None
    assert (shared.budgets, shared.trunks, shared.stored) == (20, 2, 0)
    assert (shared.images, shared.alone) == (2 * 1900 * 16, 2 * 5500 * 16)
    assert sharing(planned(TEN, "cosine").stages.values()) is None


def test_each_trunk_goes_on_from_the_one_before_and_each_budget_from_its_own() -> None:
    plan = planned((10, 30, 100))
    seen: dict[str, int] = {}
    for stage in plan.stages.values():
        assert stage.level == (0 if stage.needs is None else seen[stage.needs] + 1)
        seen[stage.id] = stage.level
    trunks = {stage.content.iterations: stage for stage in pretrainings(plan) if is_trunk(stage) and not stage.needs}
    assert set(trunks) == {8}
    for budget, length, before in ((10, 8, None), (30, 24, 8), (100, 80, 24)):
        branch = of_arm(plan, "base>target", budget)
        trunk = plan.stages[branch.continues or ""]
        assert trunk.kind == "pretrain"
        assert (trunk.content.iterations, branch.images) == (length, (budget - length) * 16)
        assert trunk.images == (length - (before or 0)) * 16
        base = next(cell.phases[0] for cell in plan.cells if len(cell.phases) == 2)
        assert trunk.content.init == branch.content.init == base
        assert trunk.needs == (trunk.continues or base)
        assert trunk.label == f"HPT, {budget}, seed 0, trunk to iteration {length}"
    units = plan.units()
    heads = [unit.id for unit in units]
    assert all(unit.needs is None or heads.index(unit.needs) < heads.index(unit.id) for unit in units)


def test_a_stage_is_the_same_whatever_budgets_are_beside_it() -> None:
    alone, among = planned((100,)), planned((10, 30, 100, 400))
    assert {stage.id for stage in pretrainings(alone)} < {stage.id for stage in pretrainings(among)}
    assert set(alone.stages) < set(among.stages)
    shorter = planned((80,), recipe={"cooldown": 0.4})  # 48 of 80
    longer = planned((60,))  # 48 of 60
    shared = {stage.id for stage in pretrainings(shorter)} & {stage.id for stage in pretrainings(longer)}
    assert {stage.content.iterations for stage in pretrainings(longer) if stage.id in shared} == {3, 48}


def test_a_longer_budget_goes_on_from_a_trunk_that_is_finished() -> None:
    earlier, plan = planned((100,)), planned((50, 300))
    stored = [stage for stage in pretrainings(earlier) if is_trunk(stage)]
    continued = with_trunks(plan.stages, stored)
    assert set(continued) == set(plan.stages) | {stage.id for stage in stored}
    plan.stages = continued
    trunk = plan.stages[of_arm(plan, "target", 300).continues or ""]
    assert trunk.continues in {stage.id for stage in stored}
    assert trunk.images == (240 - 80) * 16
    shared = sharing(continued.values(), finished=[stage.id for stage in stored])
    assert shared is not None
    assert (shared.stored, shared.images) == (2, 2 * (40 + 10 + 160 + 60) * 16)
    assert with_trunks(plan.stages, stored) == plan.stages
    # A trunk that no budget of the study is longer than is none of its stages.
    assert with_trunks(planned((50,)).stages, stored) == planned((50,)).stages


def test_a_budget_of_one_iteration_is_its_cooldown() -> None:
    plan = planned((1,))
    assert not any(map(is_trunk, plan.stages.values()))
    assert of_arm(plan, "target", 1).continues is None


def test_a_warm_up_longer_than_the_shortest_trunk_is_refused() -> None:
    with pytest.raises(StudyError, match="the warm-up of 9 iterations is longer than the 8 of 10"):
        planned((10, 100), recipe={"warmup": 9})
    with pytest.raises(StudyError, match="give warmup as a number of iterations"):
        planned((10, 100), "cosine", recipe={"warmup": 0.1}, factors=(_schedules(),))


def _schedules() -> Any:
    return (
        small.study()
        .factors[0]
        .model_copy(
            update={"name": "schedule", "field": "schedule", "levels": {"c": "cosine", "w": "wsd"}, "baseline": "c"}
        )
    )


def test_the_stages_behind_some_cells_have_their_trunks_with_them() -> None:
    plan = planned((10, 30, 100))
    (cell,) = (cell for cell in plan.cells if cell.arm == "target" and cell.iterations == 30)
    kinds = [stage.content.iterations for stage in plan.stages_of([cell]).values() if stage.kind == "pretrain"]
    assert kinds == [8, 24, 30]
