"""Runs that grow until their claims are decided: of a tiny study in this process, interrupted or not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from hpt_ray.analysis.until_decided import until_decided
from hpt_ray.core.errors import StudyError
from hpt_ray.execute.backends import inline
from hpt_ray.execute.earlier import comparisons
from hpt_ray.execute.events import Observer
from hpt_ray.execute.finalize import Result
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.planning.plan import Unit
from hpt_ray.spec.policy import Policy
from hpt_ray.store.records import Looks
from hpt_ray.store.store import Store
from tests.support import small
from tests.support.interruption import interrupted_after

#: Of two arms and one policy, so that a row is two pretrainings.
STUDY = small.study(arms=("target", "base>target"), factors=(small.policy_factor({"baseline": Policy()}),))
MOST = 5


class Spy(Observer):
    """What is said of the looks."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def looked(self, line: str) -> None:
        self.lines.append(line)


def rows(result: Result) -> list[dict[str, Any]]:
    """The rows of a results table but for how long they took."""
    return pq.read_table(result.results).drop_columns(["seconds"]).to_pylist()


def looks(result: Result) -> Looks:
    found = result.run.manifest.looks
    assert found is not None
    return found


@pytest.fixture(scope="module", autouse=True)
def nothing_is_futile() -> Iterator[None]:
    """So that what so small a study finds, which is little, does not end it at the first look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpt_ray.analysis.stats.outlook.LIKELY", 0.0)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result, Spy]:
    store, spy = tmp_path_factory.mktemp("looks"), Spy()
    return store, run(STUDY, store=store, runner="inline", until_decided=MOST, observer=spy), spy


def test_it_grows_look_by_look(finished: tuple[Path, Result, Spy]) -> None:
    _, result, spy = finished
    assert [look.rows for look in looks(result).made] == [3, 5]
    assert len(spy.lines) == 2
    assert result.run.study.seeds == tuple(range(5))
    assert looks(result).ended == "rows"
    assert looks(result).cells == looks(result).fixed_cells == 2 * MOST


def test_again_it_trains_nothing_and_says_the_same(
    finished: tuple[Path, Result, Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, result, _ = finished
    monkeypatch.setattr(inline, "run_unit", lambda *_: pytest.fail("nothing is left to run"))
    again = run(STUDY, store=store, runner="inline", until_decided=MOST)
    assert again.results == result.results and rows(again) == rows(result)
    assert looks(again) == looks(result)
    assert rows(rewrite(Store(store), "small")) == rows(result)


@pytest.mark.parametrize("units", [2, 10, 13])
def test_interrupted_it_ends_as_if_it_had_not_been(
    finished: tuple[Path, Result, Spy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: int
) -> None:
    """In the middle of the first rows, right after their look, and in the middle of the next rows."""
    _, result, _ = finished
    with interrupted_after(units, monkeypatch):
        run(STUDY, store=tmp_path, runner="inline", until_decided=MOST)
    part = rewrite(Store(tmp_path), "small")
    assert looks(part).made == looks(result).made[: units >= 10]
    again = run(STUDY, store=tmp_path, runner="inline", until_decided=MOST)
    assert rows(again) == rows(result)
    assert looks(again) == looks(result)
    assert [verdict.sentence for verdict in again.verdicts] == [verdict.sentence for verdict in result.verdicts]


def test_a_budget_too_small_for_the_first_look_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a budget of 1\.0 s does not pay for the first look, after 3 seeds"):
        run(STUDY, store=tmp_path, runner="inline", until_decided=MOST, budget=1.0)
    assert not Store(tmp_path).runs()


def test_a_budget_ends_it_before_a_look_and_without_one_it_goes_on(
    finished: tuple[Path, Result, Spy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result, _ = finished
    costs = iter([1.0, 1e6])
    with monkeypatch.context() as patch:
        patch.setattr("hpt_ray.execute.looks.estimate", lambda *_: SimpleNamespace(seconds=next(costs)))
        part = run(STUDY, store=tmp_path, runner="inline", until_decided=MOST, budget=3600.0)
    assert looks(part).ended == "budget" and looks(part).made == looks(result).made[:1]
    assert part.run.study.seeds == (0, 1, 2) and not part.failures
    again = run(STUDY, store=tmp_path, runner="inline", until_decided=MOST)
    assert looks(again) == looks(result) and rows(again) == rows(result)


def test_fixed_seeds_that_were_looked_at_before_are_said_to_be(finished: tuple[Path, Result, Spy]) -> None:
    store, result, _ = finished
    made = tuple(look.rows for look in looks(result).made)
    fixed = STUDY.model_copy(update={"seeds": tuple(range(made[-1] + 1))})
    extended = run(fixed, store=store, runner="inline")
    assert extended.run.manifest.looks is None and extended.run.manifest.looked_at == made
    (note,) = [caveat.text for caveat in extended.verdicts[0].caveats if caveat.kind == "looks"]
    assert "intervals and decisions here are those of a single look" in note
    # The longest run of the same study says how much its differences vary, those of another say nothing.
    fingerprints = {spec: data.fingerprint for spec, data in extended.run.manifest.datasets.items()}
    study = extended.run.study
    assert {claim.difference.seeds for claim in comparisons(study, fingerprints, Store(store))} == {made[-1] + 1}
    assert comparisons(study.model_copy(update={"margin": 2.0}), fingerprints, Store(store))
    assert not comparisons(study.model_copy(update={"image_size": 8}), fingerprints, Store(store))
    assert not comparisons(study, fingerprints | {small.TARGET: "another"}, Store(store))


def test_looks_of_another_run_that_grew_less_are_said_to_be_left_out(finished: tuple[Path, Result, Spy]) -> None:
    store, result, _ = finished
    assert result.run.manifest.looked_at == ()
    further = run(STUDY, store=store, runner="inline", until_decided=MOST + 1)
    assert {3, 5} <= set(further.run.manifest.looked_at)
    (note,) = [caveat.text for caveat in further.verdicts[0].caveats if caveat.kind == "looks"]
    assert "count the looks of this run alone" in note
    again = run(STUDY, store=store, runner="inline", until_decided=MOST)
    assert not [caveat for caveat in again.verdicts[0].caveats if caveat.kind == "looks"]


def test_a_failure_decides_nothing_and_its_look_is_made_again(
    finished: tuple[Path, Result, Spy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result, _ = finished
    whole, begun = inline.run_unit, itertools.count()

    def failing(unit: Unit, *arguments: Any) -> None:
        if next(begun) == 11:  # among the seeds of the second look
            raise RuntimeError("the disk is gone")
        whole(unit, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(inline, "run_unit", failing)
        part = run(STUDY, store=tmp_path, runner="inline", until_decided=MOST)
    assert part.failures
    (claim,) = looks(part).made[-1].claims
    assert len(claim.failed_rows) == 1 and claim.waits and not claim.closed
    decisions = until_decided(part.run)
    assert decisions is not None and decisions.table.rows[0][1] == "open: 1 of 5 seeds failed"
    again = run(STUDY, store=tmp_path, runner="inline", until_decided=MOST)
    assert looks(again) == looks(result) and rows(again) == rows(result)


@pytest.mark.parametrize("again", [False, True], ids=["at the next look", "when its look is made again"])
def test_a_seed_that_fails_again_is_lost_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """The third seed never trains, of the first look or, where the same command is given again, of the last one."""
    whole, most = inline.run_unit, 3 if again else MOST

    def failing(unit: Unit, *arguments: Any) -> None:
        if "seed 2" in unit.label:
            raise RuntimeError("the disk is gone")
        whole(unit, *arguments)

    monkeypatch.setattr(inline, "run_unit", failing)
    result = run(STUDY, store=tmp_path, runner="inline", until_decided=most)
    if again:
        assert looks(result).made[-1].claims[0].waits
        result = run(STUDY, store=tmp_path, runner="inline", until_decided=most)
    (claim,) = looks(result).made[-1].claims
    assert claim.failed_rows == (2,) and claim.seeds == most - 1 and not claim.waits
    assert f"1 of {most} seeds failed again and is left out" in result.verdicts[0].sentence
    assert looks(run(STUDY, store=tmp_path, runner="inline", until_decided=most)) == looks(result)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_on_ray_it_makes_the_same_looks(finished: tuple[Path, Result, Spy], tmp_path: Path) -> None:
    _, result, _ = finished
    on_ray = run(STUDY, store=tmp_path, runner="ray", until_decided=MOST)
    assert rows(on_ray) == rows(result)
    assert looks(on_ray) == looks(result)
