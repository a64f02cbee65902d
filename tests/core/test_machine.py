from __future__ import annotations

import importlib.metadata
import os
import platform

import psutil
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hpt_ray.core.errors import StudyError
from hpt_ray.core.machine import cores, hardware, layout, versions

numbers = st.integers(1, 16)


@given(st.integers(1, 64), st.integers(0, 8), numbers, numbers, st.none() | numbers, st.none() | numbers)
def test_a_layout_never_uses_more_than_there_is(total, gpus, stages, workers, threads, slots):
    try:
        made = layout(total, gpus, stages, workers=workers, threads=threads, slots=slots)
    except StudyError:
        per_worker = (threads or 1) if not gpus else 1
        room = gpus // workers if gpus else total // per_worker // workers
        assert room < max(1, slots or 1)
        return
    assert 1 <= made.slots <= stages
    assert made.workers == workers
    assert made.gpu == (gpus > 0)
    if gpus:
        assert made.slots * made.workers <= gpus
    else:
        assert made.slots * made.workers * made.threads <= total


@given(st.integers(1, 64), st.integers(1, 64))
def test_on_cpus_every_core_has_a_stage_of_one_thread(total, stages):
    made = layout(total, 0, stages)
    assert (made.slots, made.threads) == (min(total, stages), 1)


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 16))
def test_on_gpus_the_cores_are_shared_out(total, gpus, stages):
    assume(total >= gpus)
    made = layout(total, gpus, stages)
    assert made.slots == min(gpus, stages)
    assert made.threads == total // gpus


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"workers": 3}, "3 workers of 1 threads do not fit on 2 cores"),
        ({"threads": 3}, "1 workers of 3 threads do not fit on 2 cores"),
        ({"workers": 2, "threads": 2}, "2 workers of 2 threads do not fit on 2 cores"),
        ({"slots": 3}, "3 stages side by side do not fit: at most 2"),
    ],
)
def test_what_does_not_fit_is_refused(asked, message):
    with pytest.raises(StudyError, match=message):
        layout(2, 0, 10, **asked)


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
