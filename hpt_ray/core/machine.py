"""Versions and hardware of this machine, and how many stages it can run at the same time without oversubscription."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.values import Frozen

PACKAGES = ("hpt_ray", "torch", "torchvision", "ray", "numpy", "scikit-learn", "scipy", "pyarrow", "plotly")


@cache
def versions() -> dict[str, str]:
    """The versions of everything that can change a number."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}


def hardware() -> dict[str, Any]:
    """Operating system, processor and number of cores."""
    return {"system": f"{platform.system()} {platform.machine()}", "cpu": _cpu(), "cores": cores()}


def cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


class Layout(Frozen):
    """How stages share the machine: ``slots`` stages at the same time, each on ``workers`` processes.

    A process has ``threads`` threads and, if ``gpu``, one GPU.
    """

    slots: int
    workers: int
    threads: int
    gpu: bool = False


def layout(
    total_cores: int, gpus: int, stages: int, *, workers: int = 1, threads: int | None = None, slots: int | None = None
) -> Layout:
    """Choose a layout with at most as many threads as cores.

    On CPUs each worker has one thread by default: several stages at a time use the cores better than several threads in
    one stage, and a fixed number of threads keeps the last bit of every result.

    Raises:
        StudyError: if the request does not fit the machine.
    """
    gpu = gpus > 0
    threads = threads or (max(1, total_cores // max(1, gpus)) if gpu else 1)
    room = (gpus if gpu else total_cores // threads) // workers
    if room < 1:
        what = f"{gpus} GPUs" if gpu else f"{total_cores} cores"
        raise StudyError(
            f"{workers} workers of {threads} threads do not fit on {what}: use fewer --workers or --threads."
        )
    if slots is not None and slots > room:
        raise StudyError(f"{slots} stages side by side do not fit: at most {room} with {workers} workers each.")
    return Layout(slots=max(1, min(slots or room, stages)), workers=workers, threads=threads, gpu=gpu)
