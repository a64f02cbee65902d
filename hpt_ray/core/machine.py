"""Versions and hardware of this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

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
