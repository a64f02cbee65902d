"""Whether a device still computes, on a faked GPU."""

from __future__ import annotations

import pytest
import torch

from hpt_ray.training.device import benchmark_convolutions, works

GPU = torch.device("cuda", 0)


def test_a_cpu_works() -> None:
    assert works(torch.device("cpu"))


@pytest.mark.parametrize("lost", [False, True])
def test_a_gpu_works_until_everything_fails_on_it(monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    ones = torch.ones

    def on_gpu(count: int, device: torch.device) -> torch.Tensor:
        assert device == GPU
        if lost:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return ones(count)

    monkeypatch.setattr(torch, "ones", on_gpu)
    assert works(GPU) is not lost


def test_convolutions_are_timed_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    benchmark_convolutions()
    assert torch.backends.cudnn.benchmark
