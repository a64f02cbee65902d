"""The broker is an ordinary class; Ray makes an actor of it, and these tests an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from queue import SimpleQueue

import pytest

from hpt_ray.execute.backends.ray.broker import Broker
from hpt_ray.execute.backends.ray.experiment import _searcher
from hpt_ray.execute.events import INTERRUPTED, Event
from hpt_ray.execute.queue import DELIVERIES
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store
from tests.support import small

FIRST, SECOND = (unit.model_copy(update={"needs": None}) for unit in small.plan().units()[:2])

Play = Callable[[Callable[[Broker], Awaitable[None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays a script with a new broker."""

    def run(script: Callable[[Broker], Awaitable[None]]) -> None:
        async def within() -> None:
            async with asyncio.timeout(10):
                await script(Broker(Store(tmp_path)))

        asyncio.run(within())

    return run


async def begun(call: Awaitable[Unit | None]) -> asyncio.Task[Unit | None]:
    """A fetch that waits at the broker."""
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.01)
    assert not task.done()
    return task


def kinds(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.kind, event.unit) for event in events]


@pytest.mark.parametrize("reason", ["", "the loss is nan"])
def test_a_unit_goes_to_a_group_and_its_outcome_to_who_waits(reason, play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST])
        await broker.arrive(0, "a")
        outcome = asyncio.create_task(broker.outcome(FIRST.id))
        assert await broker.fetch(0, fresh=True) == FIRST
        assert not outcome.done() and not (await broker.listen()).done
        await broker.finish(0, FIRST.id, reason)
        assert await outcome == await broker.outcome(FIRST.id) == reason
        news = await broker.listen()
        assert kinds(news.events) == [("failed" if reason else "finished", FIRST.id)]
        assert news.events[-1].reason == reason
        assert (news.groups, news.done) == (1, True)
        assert (await broker.listen()).events == []

    play(script)


def test_a_group_waits_until_there_is_work(play):
    async def script(broker: Broker) -> None:
        fetched = await begun(broker.fetch(0, fresh=True))
        await broker.add([FIRST])
        assert await fetched == FIRST

    play(script)


def test_a_group_waits_for_what_a_unit_needs(play):
    async def script(broker: Broker) -> None:
        child = SECOND.model_copy(update={"needs": FIRST.id})
        await broker.add([child, FIRST])
        assert await broker.fetch(0, fresh=True) == FIRST
        fetched = await begun(broker.fetch(1, fresh=True))
        await broker.finish(0, FIRST.id, "")
        assert await fetched == child

    play(script)


def test_a_group_that_died_gets_its_unit_again_before_any_other(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        assert await broker.fetch(0, fresh=True) == FIRST
        assert await broker.fetch(0, fresh=True) == FIRST
        await broker.finish(0, FIRST.id, "")
        assert await broker.fetch(0, fresh=False) == SECOND

    play(script)


def test_what_a_dead_worker_waits_for_goes_to_the_one_in_its_place(play):
    async def script(broker: Broker) -> None:
        dead = await begun(broker.fetch(0, fresh=True))
        alive = await begun(broker.fetch(0, fresh=True))
        assert await dead is None
        await broker.add([FIRST])
        assert await alive == FIRST

    play(script)


def test_what_a_group_waits_for_that_is_gone_goes_to_another(play):
    async def script(broker: Broker) -> None:
        gone = await begun(broker.fetch(0, fresh=True))
        await broker.abandon(0)
        await broker.add([FIRST])
        assert await broker.fetch(1, fresh=True) == FIRST
        assert await gone is None

    play(script)


def test_another_group_does_not_take_over_what_one_works_on(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        assert [await broker.fetch(group, fresh=True) for group in (3, 5)] == [FIRST, SECOND]

    play(script)


def test_a_unit_that_keeps_killing_its_workers_is_given_up_and_the_rest_goes_on(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        for _ in range(DELIVERIES):
            assert await broker.fetch(0, fresh=True) == FIRST
        assert await broker.fetch(0, fresh=True) == SECOND
        assert (await broker.outcome(FIRST.id)).startswith(f"its worker died {DELIVERIES} times")
        events = (await broker.listen()).events
        assert kinds(events).count(("started", FIRST.id)) == DELIVERIES
        assert kinds(events).count(("failed", FIRST.id)) == 1

    play(script)


def test_a_group_that_said_how_its_unit_ended_gets_new_work_when_it_is_restarted(play):
    """A group of several workers fails a unit and has itself restarted: the unit does not come back."""

    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        await broker.fetch(0, fresh=True)
        await broker.finish(0, FIRST.id, "NaN")
        assert await broker.fetch(0, fresh=True) == SECOND

    play(script)


@pytest.mark.parametrize("stopping", [False, True])
def test_what_a_group_that_will_not_come_back_was_working_on_goes_to_another(stopping, play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST])
        await broker.fetch(0, fresh=True)
        if stopping:
            await broker.stop()
        await broker.abandon(0)
        if stopping:
            assert await broker.outcome(FIRST.id) == INTERRUPTED
        else:
            assert await broker.fetch(1, fresh=False) == FIRST
        await broker.abandon(5)

    play(script)


def test_the_broker_knows_where_a_group_was(play):
    async def script(broker: Broker) -> None:
        assert await broker.placement(0) is None
        await broker.place(0, "here")
        await broker.place(0, "there")
        assert await broker.placement(0) == "there"
        assert (await broker.listen()).groups == 0  # started, not yet up

    play(script)


def test_a_unit_that_kills_with_the_worker_its_controller_is_given_up_too(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST])
        for group in range(DELIVERIES):
            assert await broker.fetch(group, fresh=True) == FIRST
            await broker.abandon(group)
        assert (await broker.outcome(FIRST.id)).startswith(f"its worker died {DELIVERIES} times")
        assert (await broker.listen()).done

    play(script)


def test_a_worker_that_was_given_up_ends_nothing_of_the_one_in_its_place(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        assert await broker.fetch(0, fresh=True) == FIRST
        await broker.abandon(0)
        assert await broker.fetch(1, fresh=True) == FIRST
        assert await broker.fetch(0, fresh=True) == SECOND
        await broker.finish(0, FIRST.id, "")
        assert not broker.outcomes
        await broker.finish(0, SECOND.id, "")
        assert broker.outcomes == {SECOND.id: ""}

    play(script)


def test_the_end_of_what_no_group_works_on_is_nothing(play):
    async def script(broker: Broker) -> None:
        await broker.finish(7, FIRST.id, "")
        news = await broker.listen()
        assert (news.events, news.groups, news.done) == ([], 0, True)

    play(script)


def test_a_closed_broker_serves_what_waits_and_sends_the_groups_home(play):
    async def script(broker: Broker) -> None:
        waiting = [await begun(broker.fetch(group, fresh=True)) for group in range(3)]
        await broker.add([FIRST])
        await broker.close()
        served = await asyncio.gather(*waiting)
        assert served.count(FIRST) == 1
        assert served.count(None) == 2
        assert await broker.fetch(9, fresh=True) is None

    play(script)


def test_what_groups_tell_is_heard_in_order(play):
    async def script(broker: Broker) -> None:
        told = [Event(kind="progress", unit="u", label="l", images=n) for n in (1, 2, 3)]
        for event in told:
            assert await broker.tell(event)
        assert (await broker.listen()).events == told

    play(script)


def test_a_broker_that_stops_begins_nothing_more_and_asks_who_is_at_work_to_stop(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST, SECOND])
        assert await broker.fetch(0, fresh=True) == FIRST
        await broker.stop()
        assert await broker.fetch(1, fresh=True) is None
        assert not await broker.tell(Event(kind="progress", unit=FIRST.id, label="l", images=1))
        await broker.finish(0, FIRST.id, "interrupted at iteration 1 of 2")
        assert await broker.outcome(FIRST.id) == "interrupted at iteration 1 of 2"
        assert (await broker.listen()).done
        assert await broker.fetch(0, fresh=False) is None

    play(script)


def test_tune_is_given_the_units_that_have_begun_and_told_of_the_end():
    """Tune's side, driven by hand: no Ray is started."""
    begun = SimpleQueue[Event | None]()
    searcher = _searcher(begun)
    for event in (*(Event(kind="started", unit=name, label=f"label of {name}") for name in "ab"), None):
        begun.put(event)
    assert searcher.suggest("1") == {"unit": "a", "label": "label of a"}
    assert searcher.suggest("2")["unit"] == "b"
    searcher.on_trial_complete("1", error=True)  # it is lost, the unit is not
    assert searcher.suggest("3") == "FINISHED"


def test_tune_waits_for_a_unit_only_where_no_trial_needs_it():
    begun = SimpleQueue[Event | None]()
    searcher = _searcher(begun)
    begun.put(Event(kind="started", unit="a", label="a"))
    searcher.suggest("1")
    assert searcher.suggest("2") is None
    searcher.on_trial_complete("1", {"failed": ""})
    later = threading.Timer(0.05, begun.put, [None])
    later.start()
    assert searcher.suggest("2") == "FINISHED"


THIRD = SECOND.model_copy(update={"id": "third"})


def test_where_memory_runs_low_one_group_fewer_goes_on_and_the_unit_is_alone(play):
    async def script(broker: Broker) -> None:
        for group, node in enumerate(["a", "a", "a", "b"]):
            await broker.arrive(group, node)
        await broker.add([FIRST, SECOND, THIRD])
        assert [await broker.fetch(group, fresh=True) for group in (0, 1)] == [FIRST, SECOND]
        await broker.run_low(1)
        assert not await broker.abandon(1)  # it does not start again
        assert await broker.abandon(3)  # as any other does
        await broker.arrive(3, "b")
        assert await broker.fetch(3, fresh=True) == THIRD  # and not the one that is to be alone on the other node
        await broker.finish(3, THIRD.id, "")
        other = await begun(broker.fetch(3, fresh=False))
        waiting = await begun(broker.fetch(2, fresh=True))
        await broker.finish(0, FIRST.id, "")
        assert await waiting == SECOND
        await broker.add([FIRST])
        assert await other == FIRST
        await broker.add([THIRD])
        idle = await begun(broker.fetch(0, fresh=False))  # while it has its node to itself
        await broker.finish(2, SECOND.id, "")
        assert await idle == THIRD
        news = await broker.listen()
        notes = [event.reason for event in news.events if event.kind == "note"]
        assert notes == [
            "Memory ran low on a: fewer stages run there at a time from now on, and what was interrupted runs again."
        ]
        assert news.retired == 1

    play(script)


def test_that_memory_runs_low_is_told_once_for_each_node_and_the_last_group_stays(play):
    async def script(broker: Broker) -> None:
        await broker.add([FIRST])
        for _ in range(DELIVERIES):
            await broker.arrive(0, "a")
            assert await broker.fetch(0, fresh=True) == FIRST
            await broker.run_low(0)
            await broker.run_low(0)  # Ray says it once more
            assert await broker.abandon(0)
        news = await broker.listen()
        told = [event.reason for event in news.events if event.kind in ("note", "failed")]
        assert told[0] == "Memory ran low on a: what was interrupted runs again."
        assert len(told) == 2 and told[1].startswith(f"its worker died {DELIVERIES} times while it ran (out of memory")
        assert (news.done, news.retired) == (True, 0)

    play(script)


def test_a_unit_that_is_to_be_alone_on_a_node_that_is_lost_runs_elsewhere(play):
    async def script(broker: Broker) -> None:
        for group, node in enumerate("aab"):
            await broker.arrive(group, node)
        await broker.add([FIRST])
        assert await broker.fetch(0, fresh=True) == FIRST
        await broker.run_low(0)
        waiting = await begun(broker.fetch(2, fresh=True))
        await broker.abandon(1)  # the last of its node
        assert await waiting == FIRST

    play(script)
