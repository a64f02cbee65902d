"""When workers agree: at the same iterations, about once a second whatever a step takes, and rarely enough."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from hpt_ray.training.loop import clock
from hpt_ray.training.loop.clock import Clock, Decision
from hpt_ray.training.workers import Workers

NOTHING = Decision(save=False, stop=False)


@dataclass(frozen=True)
class Connected(Workers):
    """A worker of two in one process: what the first sends, the second receives."""

    sent: list[list[int]] = field(default_factory=list)

    def broadcast_integers(self, values: list[int]) -> list[int]:
        if self.rank == 0:
            self.sent.append(values)
        return self.sent[-1]


class Time:
    """A clock that tests move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(clock.time, "monotonic", lambda: self.now)


def agreements(workers: list[Workers], time: Time, steps: Iterator[float]) -> list[tuple[int, float]]:
    """Iterations and moments of the agreements; all workers must want the same ones."""
    clocks, agreed = [Clock(one, 0) for one in workers], []
    for iteration, seconds in enumerate(steps, start=1):
        time.now += seconds
        due = {one.due(iteration) for one in clocks}
        assert len(due) == 1
        if due.pop():
            answers = [one.agree(iteration, Decision(save=False, stop=rank > 0)) for rank, one in enumerate(clocks)]
            assert answers == [NOTHING] * len(clocks)  # the first one's wish alone counts
            agreed.append((iteration, time.now))
    return agreed


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("seconds", [0.0005, 0.03, 0.7, 20.0])
def test_agreements_are_a_second_apart_or_a_step(monkeypatch: pytest.MonkeyPatch, seconds: float, size: int) -> None:
    time, sent = Time(monkeypatch), list[list[int]]()
    workers: list[Workers] = [Connected(0, 2, sent=sent), Connected(1, 2, sent=sent)] if size == 2 else [Workers()]
    count = max(20, round(20 / seconds))
    moments = [100.0, *(moment for _, moment in agreements(workers, time, itertools.repeat(seconds, count)))]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert max(gaps) <= max(1.0, seconds) + seconds
    # From a first one after one step the distance doubles; after that there is one a second.
    assert len(gaps) <= count * seconds + 12


def test_steps_that_become_twice_as_slow_are_still_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    time, sent = Time(monkeypatch), list[list[int]]()
    steps = itertools.chain(itertools.repeat(0.01, 1050), itertools.repeat(0.02, 500))
    agreed = agreements([Connected(0, 2, sent=sent), Connected(1, 2, sent=sent)], time, steps)
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(agreed)]
    assert 1.1 < max(gaps) <= 2.02


def test_one_short_step_does_not_put_the_next_agreement_far_away(monkeypatch: pytest.MonkeyPatch) -> None:
    time, sent = Time(monkeypatch), list[list[int]]()
    steps = itertools.chain([1e-6], itertools.repeat(1.0, 20))
    agreed = agreements([Connected(0, 2, sent=sent)], time, steps)
    assert [iteration for iteration, _ in agreed][:4] == [1, 3, 4, 5]
