"""The plan of a study that grows: which seeds and cells each look adds, and that its id does not depend on looks."""

from __future__ import annotations

from typing import Any

from hpt_ray.data.dataset import Dataset
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.sequence import grown
from hpt_ray.planning.unfold import make_plan
from hpt_ray.spec.grid import data_of
from hpt_ray.spec.growing import growing
from hpt_ray.spec.study import Study
from hpt_ray.store.records import ClaimAtLook, Look
from tests.support import small

STUDY = growing(small.study(seeds=(0, 4)), 8)


def datasets(study: Study = STUDY) -> dict[str, Dataset]:
    return {spec: small.dataset(spec) for spec in data_of(study)}


def claim(subject: str, against: str, **changes: Any) -> ClaimAtLook:
    given: dict[str, Any] = {
        "name": f"{subject}/{against}",
        "target": small.TARGET,
        "measure": "accuracy",
        "subject": subject,
        "against": against,
        "rows": 3,
        "estimate": 0.1,
        "low": -0.1,
        "high": 0.3,
        "seeds": 3,
        "level": 0.002,
        "p": 0.5,
        "p_corrected": 0.5,
        "decision": "not enough evidence",
        "decided": False,
    }
    return ClaimAtLook(**given | changes)


def added(plan: Plan, rows: int = 3) -> set[tuple[str, str | None]]:
    """The arm and the policy of each cell of the rows after the first look."""
    return {(cell.arm, cell.levels["policy"]) for cell in plan.cells if cell.seed in plan.study.seeds[rows:]}


def test_the_first_look_is_the_whole_study_with_its_rows() -> None:
    first, fixed = grown(STUDY, datasets(), (), 3), make_plan(small.study(seeds=(0, 4, 5)), datasets())
    assert first.cells == fixed.cells and first.stages == fixed.stages


def test_later_rows_have_the_cells_of_open_claims_alone() -> None:
    decided = claim("HPT", "Direct transfer", decided=True, decision="better")
    at_baseline = claim("HPT", "From scratch", levels={"policy": "baseline"}, against_levels={"policy": "baseline"})
    plan = grown(STUDY, datasets(), (Look(rows=3, claims=(decided, at_baseline)),), 5)
    assert plan.study.seeds == (0, 4, 5, 6, 7)
    assert added(plan) == {("target", "baseline"), ("base>target", "baseline")}
    whole = claim("HPT", "From scratch", measure="robustness")
    every = {(arm, level) for arm in ("target", "base>target") for level in small.LEVELS}
    assert added(grown(STUDY, datasets(), (Look(rows=3, claims=(decided, whole)),), 5)) == every


def test_a_claim_on_something_else_than_two_arms_needs_every_cell() -> None:
    change = claim("HPT minus from scratch, SimCLR", "HPT minus from scratch, BYOL")
    plan = grown(STUDY, datasets(), (Look(rows=3, claims=(change,)),), 5)
    assert {arm for arm, _ in added(plan)} == {"target", "base>target", "base>target:bn"}


def test_a_futile_claim_gets_no_more_cells() -> None:
    futile = claim("HPT", "From scratch", futile="few seeds")
    assert added(grown(STUDY, datasets(), (Look(rows=3, claims=(futile,)),), 5)) == set()


def test_the_run_keeps_its_name_while_it_grows() -> None:
    look = Look(rows=3, claims=(claim("HPT", "From scratch"),))
    plans = [grown(STUDY, datasets(), (), 3), grown(STUDY, datasets(), (look,), 5)]
    other = grown(growing(small.study(seeds=(0, 4)), 9), datasets(), (), 3)
    assert plans[0].run == plans[1].run != other.run
    assert plans[0].run != make_plan(small.study(seeds=(0, 4, 5)), datasets()).run
