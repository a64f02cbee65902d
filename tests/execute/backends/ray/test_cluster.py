"""Clusters that are made up: nodes that are there, that are waited for, and that join."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import MagicMock

import pytest

from hpt_ray.core.layout import Layout, Node
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import cluster, groups
from hpt_ray.execute.backends.ray.broker import News
from hpt_ray.execute.backends.ray.cluster import nodes, wait_for_nodes
from hpt_ray.execute.backends.ray.groups import Groups
from hpt_ray.execute.visible import Visible

VISIBLE = Visible(store="store", token="token", paths={})


def fake(*offers: dict[str, float], gone: int = 0) -> Any:
    """A Ray with nodes that offer this, of which the first so many are down."""
    ray = MagicMock()
    ray.nodes.return_value = [
        {"NodeID": f"node{number}", "Alive": number >= gone, "Resources": offer} for number, offer in enumerate(offers)
    ]
    return ray


def news(waiting: int = 5, unfinished: int = 9, retired: int = 0) -> News:
    return News([], groups=1, retired=retired, unfinished=unfinished, waiting=waiting, refused={})


def test_the_nodes_that_are_up_and_what_they_offer() -> None:
    ray = fake({"CPU": 4.0}, {"CPU": 96.0, "GPU": 8.0, "memory": 1e12}, {"memory": 1e9}, gone=1)
    assert nodes(ray) == [Node(cores=96, gpus=8), Node(cores=0)]


@pytest.mark.parametrize(
    ("gpus", "joins", "line"),
    [
        (None, {"CPU": 1.0}, "waiting at most 30 minutes until the cluster has a node with a core"),
        (2, {"CPU": 8.0, "GPU": 2.0}, "waiting at most 30 minutes until the cluster has 2 GPUs"),
    ],
)
def test_a_cluster_that_is_scaled_to_zero_is_waited_for(gpus, joins, line, monkeypatch, caplog) -> None:
    ray, waited = fake({"memory": 1e9}), list[float]()

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            ray.nodes.return_value += fake(joins).nodes()

    monkeypatch.setattr(cluster.time, "sleep", sleep)
    wait_for_nodes(ray, gpus)
    assert len(waited) == 3
    assert [record.message for record in caplog.records] == [f"{line} (Ctrl-C ends this)."]
    # Where nothing waits for a place, an autoscaler adds no node.
    assert ray.util.placement_group.call_args.args[0] == [{"GPU": 1.0}] * 2 if gpus else [{"CPU": 1.0}]
    ray.util.remove_placement_group.assert_called_once_with(ray.util.placement_group.return_value)


def test_it_is_not_waited_for_for_ever(monkeypatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(cluster.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(cluster.time, "sleep", lambda seconds: clock.append(clock.pop() + seconds))
    wait_for_nodes(fake({"CPU": 4.0}), gpus=1)
    assert clock[0] == cluster.JOIN_SECONDS


def test_what_is_there_is_not_waited_for(caplog) -> None:
    ray = fake({"CPU": 4.0}, {"CPU": 8.0, "GPU": 1.0})
    for gpus in (None, 0, 1):
        wait_for_nodes(ray, gpus)
    assert not caplog.records and not ray.util.placement_group.called


@pytest.fixture
def begun(monkeypatch) -> Any:
    """Groups on one node of two cores; their threads end when the event is set. Time is at the next look at nodes."""
    end, clock = threading.Event(), [0.0]

    def begin(**request: Any) -> Groups:
        asked = Request(**{"study": "s", "run": "s-1", "units": 9} | request)
        begun = Groups(fake({"CPU": 2.0}), Layout(slots=2, workers=1, threads=1), asked)
        begun.start(2, None, VISIBLE, "")
        clock[0] += groups.NODES_SECONDS
        return begun

    monkeypatch.setattr(Groups, "_keep", lambda *_: end.wait())
    monkeypatch.setattr(groups.time, "monotonic", lambda: clock[0])
    yield begin
    end.set()


@pytest.mark.parametrize(
    ("request_", "tells", "more"),
    [
        ({}, {}, 4),
        ({}, {"waiting": 0}, 0),  # nothing to do for it
        ({}, {"unfinished": 3}, 1),
        ({}, {"retired": 1}, 3),  # the room of one that memory ran low for
        ({"slots": 3}, {}, 1),
        ({"gpus": 0}, {}, 4),
    ],
)
def test_groups_start_on_a_node_that_joins_while_units_wait(request_, tells, more, begun) -> None:
    running = begun(**request_)
    assert running.room(news(**tells)) == 0  # no node has joined
    running.looked_at -= groups.NODES_SECONDS
    running.ray = fake({"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0})
    assert running.room(news(**tells)) == more
    running.start(more, None, VISIBLE, "")
    running.looked_at -= groups.NODES_SECONDS
    assert running.room(news(**tells)) == 0 and running.running == 2 + more


def test_a_node_that_takes_the_place_of_another_needs_no_more_groups(begun) -> None:
    running = begun()
    running.ray = fake({"CPU": 2.0}, {"CPU": 2.0}, gone=1)
    assert running.room(news()) == 0  # those of the node that was lost start there


def test_nodes_that_are_too_small_are_not_used(begun) -> None:
    running = begun()
    running.layout = running.layout.model_copy(update={"threads": 4})
    running.ray = fake({"CPU": 2.0}, {"CPU": 3.0})
    assert running.room(news()) == 0
