"""What nodes compute with, on clusters that are made up: which of them are asked, and what follows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Demand
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import hardware as module
from hpt_ray.execute.backends.ray import runner
from hpt_ray.training.device import Hardware

A100, V100 = Hardware("bfloat16", 80 * 2**30), Hardware("float32", 16 * 2**30)
OLD_CPU, NEW_CPU = Hardware("float32", 0), Hardware("bfloat16", 0)
SMALL, LARGE = Demand(bytes=3 * 2**30, gflop=1.0), Demand(bytes=12 * 2**30, gflop=520.0)


class FakeRay:
    """Nodes by id, each with its CPUs, GPUs and hardware; the driver runs on the node "head"."""

    def __init__(self, nodes: dict[str, tuple[int, int, Hardware]], silent: str = "") -> None:
        self.offers, self.silent, self.asked = nodes, silent, set[str]()

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": True, "Resources": {"CPU": float(cpus), "GPU": float(gpus)}}
            for name, (cpus, gpus, _) in self.offers.items()
        ]

    def get_runtime_context(self) -> FakeRay:
        return self

    def get_node_id(self) -> str:
        return "head"

    def remote(self, *_: Any, **options: Any) -> Any:
        ray = self

        class Task:
            def __init__(self, node: str = "") -> None:
                self.node = node

            def __call__(self, function: Any) -> Task:
                return self

            def options(self, label_selector: dict[str, str]) -> Task:
                return Task(label_selector["ray.io/node-id"])

            def remote(self, gpu: bool) -> str:
                assert gpu == (options["num_gpus"] > 0)
                ray.asked.add(self.node)
                return self.node

        return Task()

    def wait(self, tasks: list[str], num_returns: int, timeout: float) -> tuple[list[str], list[str]]:
        return [task for task in tasks if task != self.silent], [task for task in tasks if task == self.silent]

    def get(self, tasks: list[str]) -> list[Hardware]:
        return [self.offers[task][2] for task in tasks]


@pytest.fixture(autouse=True)
def head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.device, "hardware", lambda gpu: OLD_CPU)


HEAD = {"head": (4, 0, OLD_CPU)}


@pytest.mark.parametrize(
    ("nodes", "gpus", "asked", "precision"),
    [
        (HEAD, None, set(), "float32"),
        (HEAD | {"a": (96, 8, A100), "b": (96, 8, A100)}, None, {"a", "b"}, "bfloat16"),
        (HEAD | {"a": (96, 8, A100), "b": (16, 2, V100)}, None, {"a", "b"}, "float32"),
        (HEAD | {"a": (96, 8, NEW_CPU)}, 0, {"a"}, "float32"),
        ({"head": (0, 0, OLD_CPU), "a": (96, 0, NEW_CPU)}, None, {"a"}, "bfloat16"),
    ],
)
def test_precision_is_that_of_the_nodes_that_run_stages(
    nodes: dict[str, Any], gpus: int | None, asked: set[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = FakeRay(nodes)

    @contextlib.contextmanager
    def session(address: str | None) -> Iterator[FakeRay]:
        yield ray

    monkeypatch.setattr(module, "ray_session", session)
    assert module.precision("auto", gpus) == precision
    assert ray.asked == asked


def test_a_node_that_does_not_answer_is_an_error_of_one_line() -> None:
    with pytest.raises(StudyError, match=r"1 nodes did not say .*: set --set precision=") as caught:
        module.hardware(FakeRay(HEAD | {"a": (96, 8, A100)}, silent="a"), None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "changes", "expected"),
    [
        ({"a": (96, 8, A100)}, {}, 4),
        ({"a": (96, 8, A100), "b": (16, 2, V100)}, {"demand": lambda: Demand(bytes=5 * 2**30, gflop=1.0)}, 2),
        ({"a": (96, 8, A100)}, {"demand": lambda: LARGE}, 1),
        ({"a": (96, 8, A100)}, {"demand": None}, 1),
        ({"a": (96, 8, A100)}, {"workers": 2}, 1),
        ({"a": (96, 8, A100)}, {"gpus": 0}, 1),
        ({}, {}, 1),
    ],
)
def test_small_stages_share_a_gpu(nodes: dict[str, Any], changes: dict[str, Any], expected: int) -> None:
    request = Request(**{"study": "s", "run": "s-1", "units": 9, "demand": lambda: SMALL} | changes)
    assert runner._chosen(FakeRay(HEAD | nodes), request) == expected
