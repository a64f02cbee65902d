"""Checkpoints in the background: a copy of the moment, one written at a time, and no error lost."""

from __future__ import annotations

import io
import threading

import pytest
import torch

from hpt_ray.core.errors import StoreError
from hpt_ray.training.loop.checkpoint import Snapshot, Writer


class Slow:
    """Checkpoints that are written when a test allows it."""

    def __init__(self, error: Exception | None = None) -> None:
        self.allowed, self.error, self.written = threading.Event(), error, list[bytes]()

    def read(self) -> bytes | None:
        return None

    def write(self, data: bytes) -> None:
        assert self.allowed.wait(20)
        if self.error:
            raise self.error
        self.written.append(data)


def loaded(data: bytes) -> dict[str, torch.Tensor]:
    return torch.load(io.BytesIO(data), weights_only=True)


def test_what_changes_while_it_is_written_is_not_in_it() -> None:
    weight = torch.nn.Parameter(torch.zeros(2, 3, 4, 4).contiguous(memory_format=torch.channels_last))
    rows = [{"loss": 1.0}]
    slow = Slow()
    with Writer(slow) as writer:
        writer.write(Snapshot({"weight": weight, "momenta": [None, torch.ones(3)], "rows": rows, "iteration": 7}))
        assert writer.busy
        with torch.no_grad():
            weight.fill_(5)
        rows.append({"loss": 2.0})
        slow.allowed.set()
    state = loaded(slow.written[0])
    assert torch.equal(state["weight"], torch.zeros(2, 3, 4, 4))
    assert state["weight"].stride() == weight.stride()
    assert (state["rows"], state["iteration"], state["momenta"][0]) == ([{"loss": 1.0}], 7, None)
    assert not writer.busy


def test_the_end_waits_for_the_last_one() -> None:
    slow = Slow()
    threading.Timer(0.2, slow.allowed.set).start()
    with Writer(slow) as writer:
        writer.write(Snapshot({"iteration": 1}))
        writer.write(Snapshot({"iteration": 2}))
    assert [loaded(data)["iteration"] for data in slow.written] == [1, 2]


def test_an_error_of_writing_is_raised_at_the_next_or_at_the_end() -> None:
    slow = Slow(StoreError("the disk is full."))
    slow.allowed.set()
    with pytest.raises(StoreError, match="the disk is full"), Writer(slow) as writer:
        writer.write(Snapshot({}))
    with pytest.raises(StoreError, match="the disk is full"), Writer(slow) as writer:
        writer.write(Snapshot({}))
        writer.write(Snapshot({}))
        raise AssertionError("the error was lost")


def test_it_does_not_hide_why_the_stage_ended() -> None:
    slow = Slow(StoreError("the disk is full."))
    slow.allowed.set()
    with pytest.raises(KeyboardInterrupt), Writer(slow) as writer:
        writer.write(Snapshot({}))
        raise KeyboardInterrupt
