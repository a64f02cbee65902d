"""Work that is to stop: it may notice by itself, and is abandoned when it does not."""

from __future__ import annotations

import time

import pytest

from hpt_ray.core.errors import StageInterruptedError
from hpt_ray.execute import stopping
from hpt_ray.execute.events import Event
from hpt_ray.execute.stopping import Watch
from tests.support import small

UNIT = small.plan().units()[0]
EVENT = Event(kind="progress", unit=UNIT.id, label=UNIT.label, images=5)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stopping, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(stopping, "QUIET_SECONDS", 0.05)


def work(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sum(range(100))


def test_work_that_tells_nothing_is_abandoned():
    began = time.monotonic()
    with pytest.raises(StageInterruptedError, match="interrupted in the middle"), Watch(UNIT, lambda event: False, 0.0):
        work(60)
    assert time.monotonic() - began < 20


def test_even_where_a_library_catches_it_once():
    with pytest.raises(StageInterruptedError), Watch(UNIT, lambda event: False, 0.0):
        try:
            work(60)
        except Exception:
            work(60)


def test_work_of_a_run_that_goes_on_is_asked_for_and_left_alone():
    told = []
    with Watch(UNIT, lambda event: told.append(event) is None, 0.0):
        work(0.5)
    assert len(told) > 1
    assert {(event.kind, event.unit, event.images) for event in told} == {("progress", UNIT.id, 0)}


def test_work_that_tells_is_not_asked_for(monkeypatch):
    monkeypatch.setattr(stopping, "QUIET_SECONDS", 30.0)
    told = []
    with Watch(UNIT, lambda event: told.append(event) is None, 0.0) as watched:
        for _ in range(5):
            assert watched.tell(EVENT)
            work(0.05)
    assert told == [EVENT] * 5


def test_work_that_notices_may_end_in_its_own_time():
    with Watch(UNIT, lambda event: False, 0.0) as watched:
        assert not watched.tell(EVENT)
        work(0.5)


def test_patience_is_for_work_that_has_not_noticed_yet():
    with Watch(UNIT, lambda event: False, 30.0) as watched:
        work(0.5)  # the thread has been told by now
        assert not watched.tell(EVENT)
    with Watch(UNIT, lambda event: False, None) as watched:
        work(0.2)
        assert not watched.tell(EVENT)


def test_what_the_run_raises_reaches_the_work():
    def broken(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Watch(UNIT, broken, 0.0):
        work(60)
