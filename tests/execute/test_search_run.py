"""Whole runs of a tiny search in this process: replayed, interrupted, and with a policy that fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from hpt_ray.execute.backends import inline
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.execute.states import runs
from hpt_ray.planning.plan import Plan, Unit
from hpt_ray.spec.study import Search
from hpt_ray.store.store import Store
from tests.support import simulate_search as simulated
from tests.support import small
from tests.support.interruption import interrupted_after

STUDY = simulated.study(seeds=1).model_copy(
    update={"arms": small.study(arms=("target", "base")).arms, "search": Search(random=2, asked=3, eta=3)}
)


class Spy(Observer):
    """What is announced and what is done."""

    def __init__(self) -> None:
        self.units: list[Unit] = []
        self.last: Progress | None = None

    def planned(self, plan: Plan, units: list[Unit], cached: int) -> None:
        self.units = units

    def progress(self, event: Event, progress: Progress) -> None:
        self.last = progress


def rows(result: Result) -> list[dict[str, Any]]:
    """The rows of a results table but for how long they took."""
    return pq.read_table(result.results).drop_columns(["seconds"]).to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Spy]:
    store, spy = tmp_path_factory.mktemp("search"), Spy()
    return store, run(STUDY, store=store, runner="inline", observer=spy), spy


def test_a_search_runs_as_many_units_as_were_announced(finished):
    _, result, spy = finished
    assert result.failures == {}
    assert spy.last is not None and spy.last.done == spy.last.total == sum(len(unit.stages) for unit in spy.units)
    assert spy.last.trained <= spy.last.images
    # Baseline and two random policies at two rungs; three asked for, one of them in full; two confirmed; the base.
    table = result.run.results.query("evaluation == 'linear' and split == 'val' and iteration > 0")
    assert len(table) == 3 * 2 + 3 + 1 + 2 + 1
    assert result.run.manifest.stages.failed == 0
    assert set(result.run.study.factors[0].levels) == set(table["policy"].dropna())
    assert set(result.run.views["policy"]) == {"original", *table.query("seed == 1")["policy"].dropna()}


def test_a_second_run_trains_nothing_and_says_the_same(finished, monkeypatch):
    store, result, _ = finished
    monkeypatch.setattr(inline, "run_unit", lambda *_: pytest.fail("nothing is left to run"))
    again = run(STUDY, store=store, runner="inline")
    assert again.results == result.results and rows(again) == rows(result)
    (state,) = runs(Store(store))
    assert state.finished == state.total
    monkeypatch.setattr("hpt_ray.execute.runs.prepare", lambda *_: pytest.fail("the store has all that a report needs"))
    assert rows(rewrite(Store(store), "augment_search")) == rows(result)


def test_an_interrupted_search_comes_to_the_same_policies(finished, tmp_path, monkeypatch):
    _, result, _ = finished
    for units in (3, 7):
        with interrupted_after(units, monkeypatch):
            run(STUDY, store=tmp_path, runner="inline")
        (state,) = runs(Store(tmp_path))
        assert 0 < state.finished < state.total
        part = rewrite(Store(tmp_path), "augment_search")
        assert set(part.run.study.factors[0].levels) <= set(result.run.study.factors[0].levels)
    last = run(STUDY, store=tmp_path, runner="inline")
    assert rows(last) == rows(result)
    assert Path(last.results).parent.name == Path(result.results).parent.name


def test_a_policy_that_fails_is_left_behind_and_tried_again_by_the_next_run(finished, tmp_path, monkeypatch):
    _, result, _ = finished
    whole = inline.run_unit

    def broken(unit: Unit, *arguments: Any) -> None:
        if "random 01, 1/3" in unit.label:
            raise RuntimeError("out of memory")
        whole(unit, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(inline, "run_unit", broken)
        failed = run(STUDY, store=tmp_path, runner="inline")
    assert failed.failures == {"From scratch, random 01, 1/3, seed 0": "RuntimeError: out of memory"}
    table = failed.run.results.query("policy == 'random 01'")
    assert set(table.query("iteration > 0")["status"]) == {"failed"} and set(table["rung"]) == {"1/3"}
    assert len(failed.run.results.query("seed == 1 and policy != 'baseline' and iteration > 0")) > 0
    assert rows(rewrite(Store(tmp_path), "augment_search")) == rows(failed)
    assert rows(run(STUDY, store=tmp_path, runner="inline")) == rows(result)
