"""How groups are shared out, a worker alone, and the loss of another worker."""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from hpt_ray.core.errors import StudyError
from hpt_ray.training import workers as module
from hpt_ray.training.workers import Workers, peer_lost


@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_group_is_computed_once(size: int) -> None:
    shares = [Workers(rank, size).share(4) for rank in range(size)]
    assert [group for share in shares for group in share] == [0, 1, 2, 3]
    assert {len(share) for share in shares} == {4 // size}


@pytest.mark.parametrize(("groups", "size"), [(4, 3), (1, 2), (6, 4)])
def test_groups_that_cannot_be_shared_are_refused(groups: int, size: int) -> None:
    with pytest.raises(StudyError, match=f"use a number of workers that divides {groups}") as caught:
        Workers(0, size).share(groups)
    assert f"by {size} workers" in str(caught.value)


def leave(rank: int, meeting: str, folder: Path) -> None:
    """The second worker is gone, without a word, when the first wants to meet it."""
    workers = Workers.join(rank, 2, meeting)
    workers.wait()
    if rank:
        while not (folder / "met").exists():  # what it has sent might be lost with it
            time.sleep(0.01)
        os._exit(0)
    (folder / "met").touch()
    try:
        workers.gather(torch.zeros(3))
    except Exception as error:
        (folder / "seen").write_text(f"{peer_lost(error)}")
    workers.leave()


def test_the_loss_of_another_worker_is_told_from_a_failure(tmp_path: Path) -> None:
    mp.spawn(leave, (f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    assert (tmp_path / "seen").read_text() == "True"
    assert peer_lost(dist.DistNetworkError("connection reset"))
    assert not peer_lost(RuntimeError("the loss is not finite"))


def hang(rank: int, meeting: str, folder: Path) -> None:
    """The second worker is late twice: for a unit, where the first waits, and in training, where that is an error."""
    module.TRAINING = datetime.timedelta(seconds=0.5)
    workers = Workers.join(rank, 2, meeting)
    if rank:
        time.sleep(1)
    assert workers.broadcast_object(rank) == 0
    workers.wait()
    assert workers.any(rank == 1)
    if rank:
        time.sleep(2)
        os._exit(0)
    try:
        workers.gather(torch.zeros(3))
    except Exception as error:
        (folder / "seen").write_text(f"{peer_lost(error)}")
    workers.leave()


@pytest.mark.slow
def test_a_worker_that_hangs_is_noticed_in_training_alone(tmp_path: Path) -> None:
    mp.spawn(hang, (f"file://{tmp_path}/meeting", tmp_path), nprocs=2)
    assert (tmp_path / "seen").read_text() == "True"


def test_a_worker_alone_needs_no_process_group() -> None:
    workers = Workers.join(0, 1, "")
    tensor = torch.rand(3)
    assert workers.gather(tensor) is tensor
    assert workers.broadcast_object("x") == "x"
    assert workers.broadcast_integers([1, 0]) == [1, 0]
    workers.wait()
    assert not dist.is_initialized()
