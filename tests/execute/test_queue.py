"""The queue of units: what may run when, what a failure takes with it, how often a unit is delivered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.errors import StoreError
from hpt_ray.core.layout import Layout
from hpt_ray.execute.backends import inline
from hpt_ray.execute.backends.inline import InlineRunner
from hpt_ray.execute.events import Event
from hpt_ray.execute.queue import DELIVERIES, Queue
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from tests.support import small
from tests.support.records import stage_record

SOME = small.plan().units()[0]


def unit(name: str, needs: str | None = None) -> Unit:
    """A unit whose only stage has its name."""
    stage = SOME.stages[0].model_copy(update={"id": name})
    return SOME.model_copy(update={"id": name, "stages": (stage,), "needs": needs})


def tree(*edges: str) -> list[Unit]:
    """Units of "name" or "name<parent"."""
    return [unit(name, parent or None) for name, _, parent in (edge.partition("<") for edge in edges)]


class NoStore:
    """A store without results that keeps the reasons of failures."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def record(self, stage: str) -> None:
        return None

    def fail(self, stage: str, reason: str) -> None:
        self.reasons[stage] = reason


def queue_of(*edges: str, store: NoStore | Store | None = None) -> tuple[Queue, list[Event]]:
    """A queue of a tree, and what it tells."""
    events: list[Event] = []
    queue = Queue(store or NoStore(), events.append)  # type: ignore[arg-type]
    queue.add(tree(*edges))
    return queue, events


def take(queue: Queue) -> Unit:
    taken = queue.next()
    assert taken is not None
    return taken


def told(events: list[Event], kind: str) -> list[str]:
    return [event.unit for event in events if event.kind == kind]


@st.composite
def forests(draw: st.DrawFn) -> list[Unit]:
    size = draw(st.integers(1, 12))
    parents = [draw(st.none() | st.integers(0, place - 1)) if place else None for place in range(size)]
    units = [unit(str(i), None if parent is None else str(parent)) for i, parent in enumerate(parents)]
    return draw(st.permutations(units))


@given(forests(), st.data())
def test_a_unit_runs_after_what_it_needs_and_each_ends_exactly_once(units, data):
    queue, events = queue_of()
    queue.add(units)
    running: list[Unit] = []
    while not queue.done:
        ready = queue.next()
        if ready is not None:
            assert ready.needs is None or ready.needs in told(events, "finished")
            running.append(ready)
            continue
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        how = data.draw(st.sampled_from(["finish", "fail", "lose"]))
        if how == "lose":
            queue.redeliver(ended)
        else:
            queue.finish(ended, "NaN" if how == "fail" else "")
    failed = told(events, "failed")
    assert sorted(told(events, "finished") + failed) == sorted(each.id for each in units)
    assert all(each.id in failed for each in units if each.needs in failed)
    assert all(queue.deliveries[each.id] <= DELIVERIES for each in units)


def test_what_is_ready_keeps_its_order():
    queue, events = queue_of("a", "b", "c<a", "d")
    first = take(queue)
    assert [take(queue).id, take(queue).id, queue.next()] == ["b", "d", None]
    queue.finish(first)
    assert take(queue).id == "c"
    assert told(events, "started") == ["a", "b", "d", "c"]


def test_a_need_that_is_no_unit_here_is_met():
    queue, _ = queue_of("a<finished earlier")
    assert take(queue).id == "a"


def test_a_failure_takes_all_descendants_and_nothing_else():
    store = NoStore()
    queue, events = queue_of("a", "b<a", "c<b", "d<a", "e", "f<e", store=store)
    queue.finish(take(queue), "the loss is nan")
    assert told(events, "failed") == ["a", "b", "c", "d"]
    assert [each.id for each in queue.waiting] == ["e", "f"]
    assert store.reasons["a"] == "the loss is nan"
    assert store.reasons["b"] == store.reasons["d"] == f"needs {SOME.label}, which failed"


def test_what_needs_weights_runs_where_they_are_there_and_their_evaluation_failed(tmp_path):
    store = Store(tmp_path)
    store.finish("a", {}, stage_record())
    queue, events = queue_of("a", "b<a", store=store)
    queue.finish(take(queue), "out of memory")
    assert take(queue).id == "b"
    assert store.failure("a") is None  # the stage that is finished did not fail
    assert told(events, "failed") == ["a"]


def test_where_the_store_can_be_neither_read_nor_written_a_failure_is_told():
    class Broken(NoStore):
        def record(self, stage: str) -> None:
            raise StoreError("cannot be read")

    queue, events = queue_of("a", "b<a", store=Broken())
    queue.finish(take(queue), "no space left")
    assert [event.reason for event in events][1:] == ["no space left", f"needs {SOME.label}, which failed"]
    assert queue.done


def test_a_unit_whose_worker_died_is_delivered_next_and_in_the_end_given_up():
    store = NoStore()
    queue, events = queue_of("a", "b", "c<a", store=store)
    for _ in range(DELIVERIES):
        lost = take(queue)
        assert lost.id == "a"
        assert not store.reasons
        queue.redeliver(lost)
    assert store.reasons["a"] == f"its worker died {DELIVERIES} times while it ran (out of memory, or killed)"
    assert told(events, "started") == ["a"] * DELIVERIES
    assert told(events, "failed") == ["a", "c"]
    assert take(queue).id == "b"


def test_an_interrupted_unit_has_not_failed():
    store = NoStore()
    queue, events = queue_of("a", store=store)
    queue.finish(take(queue), "interrupted at iteration 1 of 2")
    assert queue.done and store.reasons == {}
    assert told(events, "interrupted") == ["a"]


def test_a_circle_is_a_bug():
    queue, _ = queue_of("a<b", "b<a")
    with pytest.raises(AssertionError, match="no circles"):
        queue.next()


def test_a_queue_that_is_stopped_ends_with_what_is_at_work():
    queue, events = queue_of("a", "b", "c", "d<a")
    first, second = take(queue), take(queue)
    queue.stop()
    assert queue.next() is None and not queue.done
    queue.finish(first, "interrupted at iteration 1 of 2")
    queue.redeliver(second)
    assert queue.done and queue.next() is None
    assert told(events, "interrupted") == ["a", "b"]


def test_this_process_asks_for_a_round_when_the_one_before_has_ended(tmp_path, monkeypatch):
    log: list[str] = []
    monkeypatch.setattr(inline, "run_unit", lambda each, *_: log.append(each.id))

    def rounds():
        for units in (tree("b<a", "a"), tree("c")):
            log.append("round")
            yield units

    InlineRunner(Layout(slots=1, workers=1, threads=1)).run(
        rounds(), Store(tmp_path), lambda event: True, lambda: False
    )
    assert log == ["round", "a", "b", "round", "c"]
