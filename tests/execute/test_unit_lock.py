"""The lock of a unit: one holder at a time, gone with its process, and no trace once the unit is finished."""

from __future__ import annotations

import multiprocessing
import time

import pytest

from hpt_ray.core.errors import StageInterruptedError
from hpt_ray.execute import worker
from hpt_ray.execute.worker import locked
from hpt_ray.store.store import Store
from tests.support import small
from tests.support.records import stage_record

UNIT = small.plan().units()[0]


def go_on(event):
    return True


def hold(where, held):
    with locked(UNIT, Store(where), go_on):
        held.set()
        time.sleep(60)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the unit."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, held))
    process.start()
    assert held.wait(60)
    yield process
    process.kill()
    process.join()


def test_who_waits_can_be_told_to_stop(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LOCK_SECONDS", 0.05)
    told = []
    with pytest.raises(StageInterruptedError), locked(UNIT, Store(tmp_path), lambda event: bool(told.append(event))):
        raise AssertionError("held by another")
    assert [event.unit for event in told] == [UNIT.id]


def test_a_lock_ends_with_its_process(holder, tmp_path):
    holder.kill()
    with locked(UNIT, Store(tmp_path), go_on):
        pass


@pytest.mark.parametrize("finished", [False, True])
def test_the_file_goes_when_nobody_will_need_it(finished, tmp_path):
    store = Store(tmp_path)
    with locked(UNIT, store, go_on):
        assert [path.name for path in (tmp_path / "locks").iterdir()] == [f"{UNIT.id}.lock"]
        for stage in UNIT.stages if finished else ():
            store.finish(stage.id, {}, stage_record())
    assert len(list((tmp_path / "locks").iterdir())) == (0 if finished else 1)


def test_units_do_not_keep_each_other(tmp_path):
    other = UNIT.model_copy(update={"id": "other"})
    with locked(UNIT, Store(tmp_path), go_on), locked(other, Store(tmp_path), go_on):
        pass
