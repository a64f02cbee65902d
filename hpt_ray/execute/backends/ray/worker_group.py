"""What each worker of a resident group does: started once by Ray Train, it serves units until the broker has no more.

Starting a process and importing torch takes ten seconds and more; passing a unit to a running group takes
milliseconds. Ray Train places the workers, gives them their ranks and restarts the group when one dies.

A group is a ``DataParallelTrainer`` of Ray Train, whose workers join their process group (gloo or nccl) themselves. The
subclass ``TorchTrainer`` would do that for them, but it imports torch into a controller process per group, which never
computes anything: 290 MB of memory and two seconds of start for each, measured on two cores.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from typing import Any


def serve(config: dict[str, Any]) -> None:
    """The function of every worker of a group: rank 0 fetches a unit, all run it, rank 0 reports how it ended."""
    import ray
    import ray.train
    from ray.train.collective import broadcast_from_rank_zero

    from hpt_ray.core.errors import StageInterruptedError, StudyError
    from hpt_ray.core.paths import resolve_from
    from hpt_ray.execute.visible import check
    from hpt_ray.execute.worker import locked, reason_of, run_unit
    from hpt_ray.training.device import works
    from hpt_ray.training.workers import Workers, peer_lost

    resolve_from(config["folder"])
    with contextlib.suppress(OSError):  # a node may lack it; if it exists, the user's code may open files in it
        os.chdir(config["folder"])
    broker, group = config["broker"], config["group"]
    try:
        store = check(config["visible"])
    except StudyError as error:
        ray.get(broker.refuse.remote(group, str(error)))
        return
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    meeting = _meeting_place(config["scratch"]) if rank == 0 and size > 1 else ""
    meeting = broadcast_from_rank_zero(meeting) if size > 1 else meeting
    workers = Workers.join(rank, size, meeting, gpu=config["gpu"])
    if rank == 0:
        ray.get(broker.arrive.remote(group, _node()))
    fresh = True
    while True:
        unit = ray.get(broker.fetch.remote(group, fresh)) if rank == 0 else None
        fresh, reason, tell = False, "", _Teller(broker)
        try:
            with locked(unit, store, tell) if unit else contextlib.nullcontext():
                unit = workers.broadcast_object(unit)
                if unit is None:
                    workers.leave()
                    return
                run_unit(unit, store, workers, config["threads"], tell)
                workers.wait()
        except StageInterruptedError as error:
            reason = str(error)
        except Exception as error:  # a failed stage is recorded with its reason and the study goes on
            if (size > 1 and peer_lost(error)) or not works(workers.device):
                raise  # the group is restarted in new processes and gets the unit again
            reason = reason_of(error)
            if size > 1:
                # The other workers may wait for this one for ever: finish the unit and restart the whole group.
                ray.get(broker.finish.remote(group, unit and unit.id, reason))
                raise
        if rank == 0:
            ray.get(broker.finish.remote(group, unit and unit.id, reason))


class _Teller:
    """Reports events to the broker without waiting: the answer to one event is read at the next one."""

    def __init__(self, broker: Any) -> None:
        self.broker, self.answer = broker, None

    def __call__(self, event: Any) -> bool:
        import ray

        go_on = self.answer is None or bool(ray.get(self.answer))
        self.answer = self.broker.tell.remote(event)
        return go_on


def _node() -> str:
    """The name and address of this node."""
    import ray

    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"  # type: ignore[no-untyped-call]


def _meeting_place(scratch: str) -> str:
    """The address where workers find each other: a file, or a port if they may be on several machines."""
    import ray

    address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    if address == "127.0.0.1":
        return f"file://{scratch}/{uuid.uuid4().hex}"
    with socket.socket() as probe:
        probe.bind(("", 0))
        return f"tcp://{address}:{probe.getsockname()[1]}"
