"""Device and precision: what ``auto`` means on this machine."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def gpus() -> int:
    """How many GPUs this machine has."""
    return torch.cuda.device_count()


def resolve_precision(precision: str, device: torch.device | None = None) -> str:
    """``auto`` is bfloat16 where the hardware multiplies it natively (CUDA Ampere and later, CPUs with avx512_bf16
    or AMX), else float32."""
    if precision != "auto":
        return precision
    device = device or default_device()
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def describe(device: torch.device) -> str:
    """The device's name, for the results table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''})"


def works(device: torch.device) -> bool:
    """Whether the device still computes. After "CUDA error: illegal memory access" and its kind everything else that
    the process asks of its GPU fails, too: only a new process helps. Running out of memory is not of that kind."""
    if device.type == "cpu":
        return True
    try:
        return torch.ones(2, device=device).sum().item() == 2
    except RuntimeError:
        return False


def keep_memory() -> None:
    """Have the allocator keep what is freed for the next step, where it can be told so (glibc).

    By default it gives large blocks back to the system at every step, and the page faults of getting them again cost
    9 % of a step's time (measured on two cores, batch 64).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**30)


#: glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Compute with this many threads of torch and of the libraries of linear algebra, and give back what was there.

    The latter have threads of their own: unbounded they take the cores of the stages beside this one (measured: a
    probe of 0.4 s took 36 s), and their number would decide the last bits of a result.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)
