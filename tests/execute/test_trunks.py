"""Budgets of wsd in a store: bit-identical however they came about, and a longer one continues what is finished."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hpt_ray.execute.estimate import estimate
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.run import run
from hpt_ray.planning.trunks import is_trunk
from hpt_ray.spec import factors
from hpt_ray.spec.study import Evaluation, Study
from hpt_ray.store.store import STATE, WEIGHTS, Store
from hpt_ray.store.verify import verify
from hpt_ray.training.loop.pretrain import Pretrainer
from tests.support import small


def study(*budgets: int, schedule: str = "wsd") -> Study:
    recipes = {"base": small.recipe(data=small.BASE, seed=0, iterations=2), "target": small.recipe(schedule=schedule)}
    return small.study(
        arms=("base>target",),
        factors=(factors.budgets(budgets),),
        recipes=recipes,
        evaluations=(Evaluation(probe="knn"),),
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """Budgets of 5 and 10 iterations, whose trunks end at 4 and 8."""
    store = tmp_path_factory.mktemp("finished") / "store"
    return store, run(study(5, 10), store=store, runner="inline")


def answers(result: Result, budget: int) -> list[dict[str, Any]]:
    """What the results, the predictions and the curves of a budget say."""
    folder, parts = Path(result.results).parent, []
    for name, left_out in (("results", ["seconds"]), ("predictions", []), ("curves", ["images_per_second"])):
        rows = pq.read_table(folder / f"{name}.parquet").drop_columns(left_out).to_pylist()
        parts += [row for row in rows if row["iterations"] == str(budget)]
    assert len(parts) > 10
    return parts


def weights(store: Path, result: Result, budget: int) -> bytes:
    (stage,) = {row["parents"][-1] for row in answers(result, budget) if row.get("parents") and row["iteration"]}
    return Store(store).stage_file(stage, WEIGHTS)


def test_a_budget_is_bit_identical_whether_it_is_branched_or_run_alone(
    finished: tuple[Path, Result], tmp_path: Path
) -> None:
    store, both = finished
    for budget in (5, 10):
        alone = run(study(budget), store=tmp_path / str(budget), runner="inline")
        assert weights(store, both, budget) == weights(tmp_path / str(budget), alone, budget)
        assert answers(both, budget) == answers(alone, budget)


def test_a_finished_budget_is_continued_by_a_longer_one(
    finished: tuple[Path, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, longer = Store(shutil.copytree(finished[0], tmp_path / "store")), study(15)
    cost = estimate(prepare(longer, store), store, 1)
    assert cost.images == (15 - 8) * 16
    assert cost.sharing is not None
    assert (cost.sharing.stored, cost.sharing.images, cost.sharing.alone) == (1, 7 * 16, 15 * 16)
    steps, step = [], Pretrainer.step

    def counting(pretrainer: Pretrainer) -> Any:
        steps.append(pretrainer.iteration)
        return step(pretrainer)

    monkeypatch.setattr(Pretrainer, "step", counting)
    continued = run(longer, store=tmp_path / "store", runner="inline")
    assert steps == list(range(8, 15))
    alone = run(longer, store=tmp_path / "alone", runner="inline")
    assert weights(tmp_path / "store", continued, 15) == weights(tmp_path / "alone", alone, 15)
    assert answers(continued, 15) == answers(alone, 15)
    assert verify(store).sound


def test_trunks_alone_keep_their_state_and_results_count_all_that_a_budget_saw(finished: tuple[Path, Result]) -> None:
    store, result = Store(finished[0]), finished[1]
    trunks = {stage.id for stage in result.handover.plan.stages.values() if is_trunk(stage)}
    assert store.trunks() == trunks
    assert len(trunks) == 2
    assert sum(path.endswith(STATE) for path in store.sizes("stages")) == 2
    rows = [row for row in answers(result, 10) if "seconds" not in row and row.get("images")]
    assert {row["images"] for row in rows} == {160}
    spent = [store.record(stage.id) for stage in result.handover.plan.stages.values() if stage.kind == "pretrain"]
    assert all(record is not None and record.work_seconds > 0 for record in spent)


def test_a_trunk_that_is_damaged_is_trained_again(finished: tuple[Path, Result], tmp_path: Path) -> None:
    path = shutil.copytree(finished[0], tmp_path / "store")
    for trunk in Store(path).trunks():
        (path / "stages" / trunk / STATE).write_bytes(b"nothing")
    continued = run(study(5, 10, 15), store=path, runner="inline")
    assert continued.failures == {}
    assert answers(continued, 10) == answers(finished[1], 10)
    assert verify(Store(path)).sound


def test_what_fails_in_a_trunk_fails_every_budget_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(pretrainer: Pretrainer) -> Any:
        raise RuntimeError("no more")

    run(study(1, schedule="cosine"), store=tmp_path, runner="inline")  # the base
    monkeypatch.setattr(Pretrainer, "step", fail)
    failed = run(study(5, 10), store=tmp_path, runner="inline")
    assert len(failed.failures) >= 4
    assert any(label.endswith("trunk to iteration 4") for label in failed.failures)
    cells = {cell for failure in failed.run.manifest.failures or () for cell in failure.cells}
    assert cells == {"HPT, 5, seed 0", "HPT, 10, seed 0"}
