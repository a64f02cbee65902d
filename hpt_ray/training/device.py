"""Device and precision: what ``auto`` means on this machine."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from threadpoolctl import threadpool_limits


def default_device() -> torch.device:
    """The first GPU where there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def gpus() -> int:
    """How many GPUs this machine has."""
    return torch.cuda.device_count()


def free_memory(device: torch.device) -> int:
    """Bytes of a GPU that this process can still use: free ones, and those that torch keeps for it."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def native_precision(device: torch.device) -> str:
    """bfloat16 where the hardware multiplies it natively (CUDA Ampere and later, CPUs with avx512_bf16 or AMX), else
    float32."""
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


class Hardware(NamedTuple):
    """What this machine computes with: the precision that ``auto`` is on it, and the bytes of a GPU, 0 of a CPU."""

    precision: str
    memory: int


def hardware(gpu: bool) -> Hardware:
    """What stages compute with here.

    Args:
        gpu: whether they use a GPU if there is one.
    """
    device = default_device() if gpu else torch.device("cpu")
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0
    return Hardware(native_precision(device), memory)


def describe(device: torch.device) -> str:
    """The device's name, for the results table."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({torch.get_num_threads()} thread{'s' if torch.get_num_threads() > 1 else ''})"


def works(device: torch.device) -> bool:
    """Whether the device still computes.

    After errors such as "CUDA error: illegal memory access" every other call of the process to its GPU fails, too, and
    only a new process helps. Running out of memory is no such error.
    """
    if device.type == "cpu":
        return True
    try:
        return torch.ones(2, device=device).sum().item() == 2
    except RuntimeError:
        return False


def keep_memory() -> None:
    """Let the memory allocator keep freed memory for the next step, if it has such an option (glibc).

    By default it returns large blocks to the system at every step, and the page faults of allocating them again take 9
    % of a step's time (measured on two cores, batch 64).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**30)


#: glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


def benchmark_convolutions() -> None:
    """Let cuDNN time its algorithms at the first convolution of each shape and keep the fastest.

    Algorithms add in different orders, and which is the fastest may differ between processes: so on a GPU a stage
    equals its own repetition, or the same stage resumed, up to floating-point order. On CPUs this changes nothing.
    """
    torch.backends.cudnn.benchmark = True


@contextmanager
def threads(number: int) -> Iterator[None]:
    """Limit the threads of torch and of linear algebra libraries, and restore the previous number at the end.

    Without a limit these libraries take the cores of other stages (measured: a probe of 0.4 s took 36 s), and their
    number of threads would change the last bits of a result.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(number):
            yield
    finally:
        torch.set_num_threads(before)
