"""What a thread has ready: the same as without it, in any order, and no more than was asked for."""

from __future__ import annotations

import threading

import pytest
import torch

from hpt_ray.training.ahead import Ahead, depth_on


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_every_iteration_has_its_own_result_in_any_order(depth: int) -> None:
    ahead = Ahead(lambda iteration: iteration**2, depth)
    for iteration in (0, 1, 2, 7, 8, 8, 0, 1, 100):  # as where a stage is resumed, or a probe begins again
        assert ahead(iteration) == iteration**2


def test_the_next_ones_are_computed_meanwhile_and_none_twice() -> None:
    computed, begun = list[int](), {number: threading.Event() for number in range(20)}

    def prepare(iteration: int) -> int:
        computed.append(iteration)
        begun[iteration].set()
        return iteration

    ahead = Ahead(prepare, 2)
    ahead(0)
    assert begun[2].wait(10)  # although nobody has asked for it
    for iteration in range(1, 10):
        ahead(iteration)
    assert begun[11].wait(10)
    assert computed == list(range(12))


def test_nothing_is_prepared_beyond_the_end() -> None:
    computed = list[int]()
    ahead = Ahead(computed.append, 2, end=4)
    for iteration in range(4):
        ahead(iteration)
    assert computed == [0, 1, 2, 3]


def test_a_gpu_is_prepared_for_and_a_cpu_is_not() -> None:
    assert (depth_on(torch.device("cpu")), depth_on(torch.device("cuda", 0))) == (0, 2)


def test_without_depth_nothing_is_computed_before_it_is_asked_for() -> None:
    computed = list[int]()
    ahead = Ahead(computed.append, 0)
    ahead(3)
    assert computed == [3]


def test_an_error_is_raised_by_the_iteration_that_has_it() -> None:
    def prepare(iteration: int) -> int:
        if iteration == 2:
            raise OSError("gone")
        return iteration

    ahead = Ahead(prepare, 2)
    assert [ahead(0), ahead(1)] == [0, 1]
    with pytest.raises(OSError, match="gone"):
        ahead(2)
