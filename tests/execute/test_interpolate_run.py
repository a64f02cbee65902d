"""Averages of the base and HPT in a tiny study in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpt_ray.execute.finalize import Result
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.spec.study import Evaluation, Study
from hpt_ray.store.store import Store
from hpt_ray.training.weights import checkpoints
from tests.support import small

ENDS = {"base~0~target": "base", "base~1~target": "base>target"}


def study(*arms: str) -> Study:
    return small.study(arms=("base", *arms), factors=(), evaluations=(Evaluation(probe="knn"),))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Result]:
    """One finished run, which tests only read."""
    store = tmp_path_factory.mktemp("store")
    return Store(store), run(study("base>target", *ENDS, "base~0.5~target"), store=store, runner="inline")


def weights(finished: tuple[Store, Result], arm: str) -> checkpoints.State:
    store, result = finished
    cell = next(cell for cell in result.handover.plan.cells if cell.arm == arm)
    return checkpoints.from_bytes(store.weights(cell.phases[-1]))


def test_at_the_ends_they_are_direct_transfer_and_hpt_to_the_bit(finished: tuple[Store, Result]) -> None:
    predictions = finished[1].run.predictions
    for arm, same in ENDS.items():
        mine, others = weights(finished, arm), weights(finished, same)
        assert mine.keys() == others.keys() and all((mine[name] == others[name]).all() for name in mine)
        rows = [predictions[(predictions["arm"] == name) & (predictions["iteration"] > 0)] for name in (arm, same)]
        np.testing.assert_array_equal(*(own.sort_values("example")["prediction"] for own in rows))


def test_between_them_it_is_their_average_with_statistics_of_its_own(finished: tuple[Store, Result]) -> None:
    between, start, end = (weights(finished, arm) for arm in ("base~0.5~target", "base", "base>target"))
    for name in between:
        average = (start[name] + end[name]) / 2
        assert ((between[name] - average).abs().max() < 1e-6) == ("running" not in name)


def test_results_have_the_cost_of_its_pretraining_and_start_from_the_base(finished: tuple[Store, Result]) -> None:
    results = finished[1].run.results
    rows = {arm: results[(results["arm"] == arm) & (results["split"] == "test")] for arm in results["arm"].unique()}
    mine, hpt = (rows[arm][rows[arm]["iteration"] == 2].iloc[0] for arm in ("base~0.5~target", "base>target"))
    assert mine["images"] == hpt["images"] == 32 and mine["seconds"] > hpt["seconds"]
    assert list(mine["parents"][:-1]) == list(hpt["parents"]) and mine["weights"] == mine["parents"][-1]
    before = rows["base~0.5~target"].query("iteration == 0").iloc[0]
    assert list(before["parents"]) == list(hpt["parents"][:-1])
    assert set(results["status"]) == {"done"}
    curves = finished[1].run.curves
    assert set(curves[curves["arm"] == "base~0.5~target"]["phase"]) == {"base", "target"}


def test_it_is_read_again_and_handed_over(finished: tuple[Store, Result]) -> None:
    store, result = finished
    assert "base~0.5~target" in Path(rewrite(store, "small").report).read_text()
    assert result.weights("base~0.5~target").provenance.arm == "base~0.5~target"


def test_a_unit_waits_for_what_is_not_there_yet() -> None:
    plan = small.plan(study("base~0.5~target"))
    base, end, average = plan.cells[-1].phases
    assert [stage.kind for stage in map(plan.stages.get, (base, end, average))] == [
        "pretrain",
        "pretrain",
        "interpolate",
    ]

    def needs(*finished: str) -> dict[str, str | None]:
        return {unit.id: unit.needs for unit in plan.units(without=finished) if unit.id in plan.cells[-1].phases}

    assert needs() == {base: None, end: base, average: end}
    assert needs(base) == {base: None, end: None, average: end}  # what is left of the base is its evaluation
    assert needs(end) == {base: None, average: base}  # its start has been deleted since
    assert needs(base, end)[average] is None


def test_all_other_stages_stay_the_same() -> None:
    plain, more = small.plan(study("base>target")), small.plan(study("base>target", "base~0.5~target"))
    assert set(plain.stages) < set(more.stages)
    assert {more.stages[name].kind for name in set(more.stages) - set(plain.stages)} == {"interpolate", "evaluate"}
