"""The order in which units may run, on Ray (``Queue``) and in this process (``in_order_of_need``)."""

from __future__ import annotations

import pytest
import small
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.execute.inline import in_order_of_need
from hpt_ray.execute.ray_runner import Queue
from hpt_ray.plan import Unit

SOME = small.plan().units()[0]


def unit(name: str, needs: str | None = None) -> Unit:
    return SOME.model_copy(update={"id": name, "needs": needs})


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
    queue, running, done, failed = Queue(units), [], [], []
    while queue.waiting or running:
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
    queue = Queue(units)
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
    assert Queue(units).next() == units[0]


def test_a_failure_takes_all_descendants_and_nothing_else():
    units = tree("a", "b<a", "c<b", "d<a", "e", "f<e")
    queue = Queue(units)
    queue.next()
    assert {each.id for each in queue.settle(units[0], failed=True)} == {"b", "c", "d"}
    assert {each.id for each in queue.waiting} == {"e", "f"}


def test_a_circle_is_a_bug():
    with pytest.raises(AssertionError, match="no circles"):
        in_order_of_need(tree("a<b", "b<a"))
