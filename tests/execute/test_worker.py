"""How the workers of a group share out the evaluations of a unit, each worker in turn in this process."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from hpt_ray.core.errors import StageInterruptedError, StudyError
from hpt_ray.execute import worker
from hpt_ray.execute.prepare import prepare
from hpt_ray.execute.worker import PREDICTIONS, RESULTS, run_unit
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from hpt_ray.training.workers import Workers
from tests.support import small


@dataclasses.dataclass(frozen=True)
class Alone(Workers):
    """One of several workers, whose others are never asked."""

    def any(self, condition: bool) -> bool:
        return condition


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Unit, Path]:
    """The unit of a base with its two evaluations, and the place of a store with what one worker makes of it."""
    path = tmp_path_factory.mktemp("alone")
    store = Store(path)
    units = prepare(small.study(arms=("base",), factors=()), store).plan.units()
    unit = next(unit for unit in units if unit.stages[0].kind == "pretrain")
    run_unit(unit, store, Workers(), 1, lambda event: True)
    return unit, path


@pytest.fixture
def trained(alone: tuple[Unit, Path], tmp_path: Path) -> tuple[Unit, Store]:
    """The same unit, and a store with its weights alone."""
    unit, path = alone
    copied = Store(shutil.copytree(path, tmp_path / "trained"))
    for stage in unit.stages[1:]:
        copied.delete(stage.id)
    return unit, copied


def evaluated(unit: Unit, store: Store) -> list[bool]:
    return [store.record(stage.id) is not None for stage in unit.stages if stage.kind == "evaluate"]


def test_workers_share_out_the_evaluations_and_change_no_number(
    trained: tuple[Unit, Store], alone: tuple[Unit, Path]
) -> None:
    (unit, shared), expected = trained, Store(alone[1])
    for rank, done in ((1, [False, True]), (0, [True, True])):
        run_unit(unit, shared, Alone(rank, 2), 1, lambda event: True)
        assert evaluated(unit, shared) == done
    for stage in unit.stages[1:]:
        for file in (RESULTS, PREDICTIONS):
            assert shared.stage_file(stage.id, file) == expected.stage_file(stage.id, file)


def test_a_worker_beyond_the_evaluations_has_none(trained: tuple[Unit, Store]) -> None:
    unit, shared = trained
    run_unit(unit, shared, Alone(2, 3), 1, lambda event: True)
    assert evaluated(unit, shared) == [False, False]


def test_where_another_worker_is_interrupted_this_one_is_too_when_it_is_done(
    trained: tuple[Unit, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    (unit, shared), stopped = trained, []
    evaluate = worker._evaluate

    def stop_the_other(*given: object) -> None:
        evaluate(*given)  # type: ignore[arg-type]
        stopped.append(True)

    monkeypatch.setattr(worker, "_evaluate", stop_the_other)
    monkeypatch.setattr(Alone, "any", lambda workers, condition: condition or bool(stopped))
    with pytest.raises(StageInterruptedError, match=r"^interrupted with another worker$"):
        run_unit(unit, shared, Alone(1, 2), 1, lambda event: True)
    assert evaluated(unit, shared) == [False, True]


def test_an_error_is_not_waited_with(trained: tuple[Unit, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """The others notice that the worker is gone: to wait for them would keep both for ever."""
    unit, store = trained
    asked = []

    def fail(*given: object) -> None:
        raise StudyError("no")

    monkeypatch.setattr(worker, "_evaluate", fail)
    monkeypatch.setattr(Alone, "any", lambda workers, condition: bool(asked.append(condition)))
    with pytest.raises(StudyError, match=r"^no$"):
        run_unit(unit, store, Alone(0, 2), 1, lambda event: True)
    assert asked == [False]  # after the weights alone
