from __future__ import annotations

import importlib.metadata
import os
import platform

import psutil

from hpt_ray.core.machine import cores, hardware, versions


def test_cores_are_those_this_process_may_use():
    assert cores() == len(psutil.Process().cpu_affinity())
    first = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, first[:1])
        assert cores() == 1
    finally:
        os.sched_setaffinity(0, first)


def test_versions_and_hardware_name_this_machine():
    assert versions()["python"] == platform.python_version()
    assert versions()["torch"] == importlib.metadata.version("torch")
    assert platform.machine() in hardware()["system"]
    assert hardware()["cpu"]
