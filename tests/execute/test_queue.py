"""The order in which units may run, on Ray (``Queue``) and in this process (``in_order_of_need``)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.execute.backends import inline
from hpt_ray.execute.backends.inline import InlineRunner, in_order_of_need
from hpt_ray.execute.backends.ray.runner import _searcher
from hpt_ray.execute.queue import TRIALS, Queue
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from tests.support import small

SOME = small.plan().units()[0]


def unit(name: str, needs: str | None = None) -> Unit:
    return SOME.model_copy(update={"id": name, "needs": needs})


def queue_of(*rounds: list[Unit]) -> Queue:
    """A queue that has taken its first round."""
    queue = Queue(iter(rounds))
    assert queue.refill()
    return queue


def tree(*edges: str) -> list[Unit]:
    """Units of "name" or "name<parent"."""
    return [unit(name, parent or None) for name, _, parent in (edge.partition("<") for edge in edges)]


@st.composite
def forests(draw: st.DrawFn) -> list[Unit]:
    size = draw(st.integers(1, 12))
    parents = [draw(st.none() | st.integers(0, place - 1)) if place else None for place in range(size)]
    units = [unit(str(i), None if parent is None else str(parent)) for i, parent in enumerate(parents)]
    return draw(st.permutations(units))


@given(forests(), st.data())
def test_a_unit_runs_after_what_it_needs_and_each_ends_exactly_once(units, data):
    queue, running, done, failed = queue_of(units), [], [], []
    while queue.refill():
        ready = queue.next()
        if ready is not None:
            assert ready.needs is None or ready.needs in done
            running.append(ready)
            continue
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        broken = data.draw(st.booleans())
        (failed if broken else done).append(ended.id)
        lost = queue.settle(ended, broken)
        failed += [each.id for each in lost]
        for each in lost:
            assert each.needs in failed
    assert sorted(done + failed) == sorted(each.id for each in units)


@given(forests())
def test_in_this_process_parents_come_first_and_nothing_is_lost(units):
    placed: set[str] = set()
    for each in in_order_of_need(units):
        assert each.needs is None or each.needs in placed
        placed.add(each.id)
    assert placed == {each.id for each in units}


def test_what_is_ready_keeps_its_order():
    units = tree("a", "b", "c<a", "d")
    assert [each.id for each in in_order_of_need(units)] == ["a", "b", "d", "c"]
    queue = queue_of(units)
    assert [each.id if each else None for each in (queue.next(), queue.next(), queue.next(), queue.next())] == [
        "a",
        "b",
        "d",
        None,
    ]
    queue.settle(units[0], failed=False)
    assert queue.next() == units[2]


def test_a_need_that_is_no_unit_here_is_met():
    units = tree("a<finished earlier")
    assert in_order_of_need(units) == units
    assert queue_of(units).next() == units[0]


def test_a_failure_takes_all_descendants_and_nothing_else():
    units = tree("a", "b<a", "c<b", "d<a", "e", "f<e")
    queue = queue_of(units)
    queue.next()
    assert {each.id for each in queue.settle(units[0], failed=True)} == {"b", "c", "d"}
    assert {each.id for each in queue.waiting} == {"e", "f"}


def test_a_circle_is_a_bug():
    with pytest.raises(AssertionError, match="no circles"):
        in_order_of_need(tree("a<b", "b<a"))


def test_a_round_is_asked_for_when_all_of_the_one_before_has_ended():
    asked = []

    def rounds():
        for units in (tree("a", "b"), tree("c")):
            asked.append([each.id for each in units])
            yield units

    queue = Queue(rounds())
    assert asked == []
    assert queue.refill()
    first, second = queue.next(), queue.next()
    assert first is not None and second is not None
    queue.settle(first, failed=False)
    assert queue.refill() and queue.next() is None
    assert asked == [["a", "b"]]
    queue.settle(second, failed=True)
    assert queue.refill()
    third = queue.next()
    assert third is not None and asked == [["a", "b"], ["c"]]
    queue.settle(third, failed=False)
    assert not queue.refill()


def test_a_queue_that_is_stopped_ends_with_what_is_at_work():
    queue = queue_of(tree("a", "b"), tree("c"))
    at_work = queue.next()
    assert at_work is not None
    queue.stop()
    assert queue.refill() and queue.next() is None
    queue.settle(at_work, failed=False)
    assert not queue.refill()


def test_this_process_asks_for_a_round_when_the_one_before_has_ended(tmp_path, monkeypatch):
    log: list[str] = []
    monkeypatch.setattr(inline, "run_unit", lambda each, *_: log.append(each.id))

    def rounds():
        for units in (tree("b<a", "a"), tree("c")):
            log.append("round")
            yield units

    InlineRunner().run(rounds(), Store(tmp_path), lambda event: True, lambda: False)
    assert log == ["round", "a", "b", "round", "c"]


def test_tune_is_given_round_after_round_and_told_of_the_end_once(tmp_path):
    """Tune's side of the queue, driven by hand: no Ray is started."""
    first, second = tree("a", "b"), tree("c")
    store, queue = Store(tmp_path), Queue(iter((first, second)))
    searcher = _searcher(queue, store, lambda event: True)
    given = [searcher.suggest(trial) for trial in ("1", "2", "3")]
    assert [config and config["unit"] for config in given] == ["a", "b", None]
    searcher.on_trial_complete("1", {"failed": ""})
    assert searcher.suggest("3") is None
    searcher.on_trial_complete("2", {"failed": "its worker died 3 times"})
    assert store.failure(first[1].stages[0].id) == "its worker died 3 times"  # by whom else, where the worker is dead?
    assert searcher.suggest("3")["unit"] == "c"
    searcher.on_trial_complete("3", {"failed": "interrupted at iteration 1 of 2"})
    assert searcher.suggest("4") == "FINISHED"


def test_a_unit_whose_trial_is_lost_is_given_out_again_and_in_the_end_given_up(tmp_path):
    store, queue = Store(tmp_path), Queue(iter([tree("a", "b")]))
    searcher = _searcher(queue, store, lambda event: True)
    for number in range(TRIALS):
        assert searcher.suggest(f"{number}")["unit"] == "a"
        assert store.failure(SOME.stages[0].id) is None
        searcher.on_trial_complete(f"{number}", error=True)
    assert store.failure(SOME.stages[0].id) == "Ray lost its trial"
    assert searcher.suggest("b")["unit"] == "b"
    queue.stop()
    searcher.on_trial_complete("b", error=True)
    assert searcher.suggest("none") == "FINISHED"
