"""Clusters that are made up, and how stages share them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Demand, Layout, Node, layout, sharing

LAPTOP = [Node(cores=2)]
GPU_LAPTOP = [Node(cores=8, gpus=1)]
A100S, CPU_HEAD = Node(cores=96, gpus=8), Node(cores=4)
#: Eight cores for each of its GPUs, three for each of its, and none at all.
MIXED = [Node(cores=32, gpus=4), Node(cores=6, gpus=2), Node(cores=64)]
SMALL_GPU_NODES = [Node(cores=8, gpus=1)] * 3


@pytest.mark.parametrize(
    ("nodes", "asked", "expected"),
    [
        (LAPTOP, {}, {"slots": 2, "threads": 1}),
        (LAPTOP, {"threads": 2}, {"slots": 1, "threads": 2}),
        (LAPTOP, {"workers": 2}, {"slots": 1, "threads": 1}),
        (GPU_LAPTOP, {}, {"slots": 1, "threads": 8, "stages_per_gpu": 1}),
        (GPU_LAPTOP, {"gpus": 0}, {"slots": 8, "threads": 1}),
        (GPU_LAPTOP, {"stages_per_gpu": 3}, {"slots": 3, "threads": 2, "stages_per_gpu": 3}),
        ([CPU_HEAD, A100S], {}, {"slots": 8, "threads": 12, "stages_per_gpu": 1}),
        ([CPU_HEAD, A100S], {"gpus": 3}, {"slots": 3, "threads": 12, "stages_per_gpu": 1}),
        ([CPU_HEAD, A100S], {"workers": 4}, {"slots": 2, "threads": 12, "stages_per_gpu": 1}),
        ([CPU_HEAD, A100S], {"stages_per_gpu": 4}, {"slots": 32, "threads": 3, "stages_per_gpu": 4}),
        ([CPU_HEAD, A100S], {"gpus": 0}, {"slots": 100, "threads": 1}),
        (MIXED, {}, {"slots": 6, "threads": 3, "stages_per_gpu": 1}),
        (MIXED, {"workers": 4}, {"slots": 1, "threads": 3, "stages_per_gpu": 1}),
        (MIXED, {"workers": 2}, {"slots": 3, "threads": 3, "stages_per_gpu": 1}),
        (MIXED, {"threads": 8}, {"slots": 4, "threads": 8, "stages_per_gpu": 1}),  # the small node has no room
        (SMALL_GPU_NODES, {"workers": 2}, {"slots": 1, "threads": 8, "stages_per_gpu": 1, "packed": False}),
        ([Node(cores=2, gpus=8)], {}, {"slots": 2, "threads": 1, "stages_per_gpu": 1}),
        ([Node(cores=3)] * 2, {"workers": 2}, {"slots": 2, "threads": 1}),  # a stage stays on one node
    ],
)
def test_a_cluster_is_shared(nodes: list[Node], asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert layout(nodes, 1000, **asked) == Layout(**{"workers": asked.get("workers", 1)} | expected)


@pytest.mark.parametrize(
    ("nodes", "asked", "message"),
    [
        (LAPTOP, {"workers": 3}, "3 workers of 1 threads do not fit on 2 cores"),
        (LAPTOP, {"threads": 3}, "1 workers of 3 threads do not fit on 2 cores"),
        (LAPTOP, {"workers": 2, "threads": 2}, "2 workers of 2 threads do not fit on 2 cores"),
        (LAPTOP, {"slots": 3}, "3 stages side by side do not fit: at most 2"),
        (LAPTOP, {"gpus": 1}, "--gpus 1 asks for more GPUs than the 0 found: ask for fewer"),
        ([CPU_HEAD, A100S], {"gpus": 9}, "--gpus 9 asks for more GPUs than the 8 found"),
        ([CPU_HEAD, A100S], {"gpus": 3, "workers": 4}, "4 workers of 12 threads do not fit on 3 GPUs"),
        (GPU_LAPTOP, {"workers": 2}, "2 workers of 8 threads do not fit on 1 GPUs"),
        ([A100S], {"workers": 2, "stages_per_gpu": 2}, "the workers of a stage cannot share a GPU"),
        ([], {}, "no node has a core"),
        ([Node(cores=0)], {}, "no node has a core"),
    ],
)
def test_what_does_not_fit_is_refused(nodes: list[Node], asked: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        layout(nodes, 10, **asked)


@given(
    st.lists(st.builds(Node, cores=st.integers(0, 64), gpus=st.integers(0, 8)), max_size=4),
    st.integers(1, 16),
    st.integers(1, 4),
    st.none() | st.integers(1, 8),
    st.none() | st.integers(0, 8),
    st.integers(1, 4),
)
def test_a_layout_never_uses_more_than_there_is(
    nodes: list[Node], stages: int, workers: int, threads: int | None, gpus: int | None, stages_per_gpu: int
) -> None:
    try:
        chosen = layout(nodes, stages, workers=workers, threads=threads, gpus=gpus, stages_per_gpu=stages_per_gpu)
    except StudyError:
        return
    assert 1 <= chosen.slots <= stages
    processes, sharing = chosen.slots * workers, chosen.stages_per_gpu
    assert processes * chosen.threads <= sum(node.cores for node in nodes)
    assert (sharing > 0) == (any(node.gpus for node in nodes) and gpus != 0)
    if sharing:
        assert processes <= sharing * min(sum(node.gpus for node in nodes), gpus or 10**6)


GIB = 2**30


@pytest.mark.parametrize(
    ("memory", "needed", "gflop", "stages"),
    [
        (80 * GIB, 3 * GIB, 0.8, 4),  # a small network at 32 px
        (16 * GIB, 3.4 * GIB, 19, 3),  # ResNet-18 at 64 px: by memory
        (80 * GIB, 3.4 * GIB, 40, 2),  # by work
        (80 * GIB, 12 * GIB, 523, 1),  # ResNet-50 at 224 px
        (6 * GIB, 12 * GIB, 1, 1),
        (0, 3 * GIB, 1, 1),  # Ray was told of a GPU that is not there
    ],
)
def test_small_stages_share_a_gpu(memory: int, needed: float, gflop: float, stages: int) -> None:
    assert sharing(memory, Demand(bytes=int(needed), gflop=gflop)) == stages
