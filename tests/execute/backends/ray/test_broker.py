"""The desk is an ordinary class; Ray makes an actor of it, and these tests an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hpt_ray.execute.backends.ray.broker import DELIVERIES, INTERRUPTED, Desk
from hpt_ray.execute.events import Event
from hpt_ray.planning.plan import Unit
from tests.support import small

FIRST, SECOND = small.plan().units()[:2]


def with_desk(script: Callable[[Desk], Awaitable[None]]) -> None:
    async def play() -> None:
        async with asyncio.timeout(10):
            desk = Desk()
            await desk.expect([FIRST])
            await desk.expect([SECOND])  # of a later round
            await script(desk)

    asyncio.run(play())


async def ordered(desk: Desk, unit: Unit) -> asyncio.Task[str]:
    """A submission that the desk has taken in."""
    task = asyncio.create_task(desk.submit(unit.id))
    await asyncio.sleep(0)
    return task


def kinds(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.unit) for event in events]


@pytest.mark.parametrize("reason", ["", "the loss is nan"])
def test_a_unit_goes_to_a_group_and_its_outcome_back(reason):
    async def script(desk: Desk) -> None:
        submitted = await ordered(desk, FIRST)
        await desk.arrive(0)
        assert await desk.fetch(0, fresh=True) == FIRST
        assert not submitted.done()
        await desk.settle(0, FIRST.id, reason)
        assert await submitted == reason
        events, ready = await desk.listen()
        assert kinds(events) == [("started", FIRST.id), ("failed" if reason else "finished", FIRST.id)]
        assert events[-1].reason == reason
        assert ready == 1
        assert await desk.listen() == ([], 1)

    with_desk(script)


def test_units_are_served_in_order_and_none_twice():
    async def script(desk: Desk) -> None:
        await ordered(desk, FIRST)
        await ordered(desk, SECOND)
        assert [await desk.fetch(group, fresh=True) for group in (3, 5)] == [FIRST, SECOND]

    with_desk(script)


def test_a_group_waits_until_there_is_work():
    async def script(desk: Desk) -> None:
        fetched = asyncio.create_task(desk.fetch(0, fresh=True))
        await asyncio.sleep(0.01)
        assert not fetched.done()
        await ordered(desk, FIRST)
        assert await fetched == FIRST

    with_desk(script)


def test_a_group_that_died_gets_its_unit_again_before_any_other():
    async def script(desk: Desk) -> None:
        submitted = await ordered(desk, FIRST)
        assert await desk.fetch(0, fresh=True) == FIRST
        await ordered(desk, SECOND)
        assert await desk.fetch(0, fresh=True) == FIRST
        await desk.settle(0, FIRST.id, "")
        assert await submitted == ""
        assert await desk.fetch(0, fresh=False) == SECOND

    with_desk(script)


def test_what_a_dead_worker_waits_for_goes_to_the_one_in_its_place():
    async def script(desk: Desk) -> None:
        dead = asyncio.create_task(desk.fetch(0, fresh=True))
        await asyncio.sleep(0.01)
        alive = asyncio.create_task(desk.fetch(0, fresh=True))
        await asyncio.sleep(0.01)
        await ordered(desk, FIRST)
        assert await alive == FIRST
        assert await dead is None

    with_desk(script)


def test_what_a_group_waits_for_that_is_gone_goes_to_another():
    async def script(desk: Desk) -> None:
        gone = asyncio.create_task(desk.fetch(0, fresh=True))
        await asyncio.sleep(0.01)
        await desk.abandon(0)
        await ordered(desk, FIRST)
        assert await desk.fetch(1, fresh=True) == FIRST
        assert await gone is None

    with_desk(script)


def test_another_group_does_not_take_over_what_one_works_on():
    async def script(desk: Desk) -> None:
        await ordered(desk, FIRST)
        assert await desk.fetch(0, fresh=True) == FIRST
        await ordered(desk, SECOND)
        assert await desk.fetch(1, fresh=True) == SECOND

    with_desk(script)


def test_a_unit_that_keeps_killing_its_workers_is_given_up_and_the_rest_goes_on():
    async def script(desk: Desk) -> None:
        submitted = await ordered(desk, FIRST)
        for _ in range(DELIVERIES):
            assert await desk.fetch(0, fresh=True) == FIRST
        await ordered(desk, SECOND)
        assert await desk.fetch(0, fresh=True) == SECOND
        assert await submitted == f"its worker died {DELIVERIES} times while it ran (out of memory, or killed)"
        events, _ = await desk.listen()
        assert kinds(events).count(("started", FIRST.id)) == DELIVERIES
        assert kinds(events).count(("failed", FIRST.id)) == 1

    with_desk(script)


def test_a_group_that_settled_gets_new_work_when_it_is_restarted():
    """A group of several workers settles a failed unit and has itself restarted: the unit does not come back."""

    async def script(desk: Desk) -> None:
        await ordered(desk, FIRST)
        await desk.fetch(0, fresh=True)
        await desk.settle(0, FIRST.id, "NaN")
        await ordered(desk, SECOND)
        assert await desk.fetch(0, fresh=True) == SECOND

    with_desk(script)


def test_a_trial_that_was_lost_finds_its_order():
    async def script(desk: Desk) -> None:
        lost = await ordered(desk, FIRST)
        await desk.fetch(0, fresh=True)
        lost.cancel()
        again = await ordered(desk, FIRST)
        assert not desk.waiting
        await desk.settle(0, FIRST.id, "")
        assert await again == ""
        events, _ = await desk.listen()
        assert kinds(events) == [("started", FIRST.id), ("finished", FIRST.id)]

    with_desk(script)


def test_a_unit_that_was_settled_can_be_ordered_again():
    async def script(desk: Desk) -> None:
        await ordered(desk, FIRST)
        await desk.fetch(0, fresh=True)
        await desk.settle(0, FIRST.id, "NaN")
        await ordered(desk, FIRST)
        assert await desk.fetch(0, fresh=False) == FIRST

    with_desk(script)


@pytest.mark.parametrize("stopping", [False, True])
def test_what_a_group_that_will_not_come_back_was_working_on_goes_to_another(stopping):
    async def script(desk: Desk) -> None:
        submitted = await ordered(desk, FIRST)
        await desk.fetch(0, fresh=True)
        if stopping:
            await desk.stop()
        await desk.abandon(0)
        if stopping:
            assert await submitted == INTERRUPTED
        else:
            assert await desk.fetch(1, fresh=False) == FIRST
        await desk.abandon(5)

    with_desk(script)


def test_the_desk_knows_where_a_group_was():
    async def script(desk: Desk) -> None:
        assert await desk.place(0) is None
        await desk.put(0, "here")
        await desk.put(0, "there")
        assert await desk.place(0) == "there"
        assert await desk.listen() == ([], 0)  # started, not yet up

    with_desk(script)


def test_a_unit_that_kills_with_the_worker_its_controller_is_given_up_too():
    async def script(desk: Desk) -> None:
        submitted = await ordered(desk, FIRST)
        for group in range(DELIVERIES):
            assert await desk.fetch(group, fresh=True) == FIRST
            await desk.abandon(group)
        assert (await submitted).startswith(f"its worker died {DELIVERIES} times")
        assert not desk.waiting

    with_desk(script)


def test_a_worker_that_was_given_up_settles_nothing_of_the_one_in_its_place():
    async def script(desk: Desk) -> None:
        await ordered(desk, FIRST)
        assert await desk.fetch(0, fresh=True) == FIRST
        await desk.abandon(0)
        assert await desk.fetch(1, fresh=True) == FIRST
        submitted = await ordered(desk, SECOND)
        assert await desk.fetch(0, fresh=True) == SECOND
        await desk.settle(0, FIRST.id, "")
        assert not submitted.done()
        await desk.settle(0, SECOND.id, "")
        assert await submitted == ""

    with_desk(script)


def test_a_settlement_of_nothing_is_nothing():
    async def script(desk: Desk) -> None:
        await desk.settle(7, FIRST.id, "")
        assert await desk.listen() == ([], 0)

    with_desk(script)


def test_a_closed_desk_serves_what_waits_and_sends_the_groups_home():
    async def script(desk: Desk) -> None:
        waiting = [asyncio.create_task(desk.fetch(group, fresh=True)) for group in range(3)]
        await asyncio.sleep(0.01)
        await ordered(desk, FIRST)
        await desk.close()
        served = await asyncio.gather(*waiting)
        assert served.count(FIRST) == 1
        assert served.count(None) == 2
        assert await desk.fetch(9, fresh=True) is None

    with_desk(script)


def test_what_groups_tell_is_heard_in_order():
    async def script(desk: Desk) -> None:
        told = [Event(kind="progress", unit="u", label="l", images=n) for n in (1, 2, 3)]
        for event in told:
            await desk.tell(event)
        assert (await desk.listen())[0] == told

    with_desk(script)


def test_a_desk_that_stops_begins_nothing_more_and_asks_who_is_at_work_to_stop():
    async def script(desk: Desk) -> None:
        at_work = await ordered(desk, FIRST)
        assert await desk.fetch(0, fresh=True) == FIRST
        assert await desk.tell(Event(kind="progress", unit=FIRST.id, label="l", images=1))
        waiting = await ordered(desk, SECOND)
        await desk.stop()
        assert await waiting == INTERRUPTED
        assert await desk.submit(SECOND.id) == INTERRUPTED  # Tune may hand in one more before it notices
        assert not await desk.tell(Event(kind="progress", unit=FIRST.id, label="l", images=1))
        await desk.settle(0, FIRST.id, "interrupted at iteration 1 of 2")
        assert await at_work == "interrupted at iteration 1 of 2"
        assert await desk.fetch(0, fresh=False) is None

    with_desk(script)
