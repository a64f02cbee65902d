"""A resident worker group: started once by Ray Train, it serves units until the desk has no more.

Starting a process and importing torch costs ten seconds and more; handing a unit to a group that is up costs
milliseconds. Ray Train places the workers, joins them (gloo or nccl) and restarts the group when one dies.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from hpt_ray.execute.machine import Layout


def serve(config: dict[str, Any]) -> None:
    """What every worker of a group runs: the first fetches a unit, all run it, the first settles it."""
    import ray
    import ray.train
    import torch
    import torch.distributed as dist

    from hpt_ray.execute.inline import record_failure
    from hpt_ray.execute.stage import reason_of, run_unit
    from hpt_ray.store import Store
    from hpt_ray.training.device import default_device
    from hpt_ray.training.workers import Workers

    desk, group, threads = config["desk"], config["group"], config["threads"]
    context = ray.train.get_context()
    workers = Workers(context.get_world_rank(), context.get_world_size(), default_device())
    torch.set_num_threads(threads)
    store = Store(config["store"])
    fresh = True
    while True:
        box = [ray.get(desk.fetch.remote(group, fresh)) if workers.rank == 0 else None]
        fresh = False
        if workers.size > 1:
            dist.broadcast_object_list(box, src=0)
        unit = box[0]
        if unit is None:
            return
        reason = ""
        try:
            run_unit(unit, store, workers, threads, desk.tell.remote)
        except Exception as error:  # a failed stage is recorded with its reason and the study goes on
            reason = reason_of(error)
            record_failure(unit, store, reason)
            if workers.size > 1:
                # The others may wait for this one for ever: settle the unit and have the whole group restarted.
                ray.get(desk.settle.remote(group, reason))
                raise
        if workers.size > 1:
            dist.barrier()
        if workers.rank == 0:
            ray.get(desk.settle.remote(group, reason))


def start(desk: Any, number: int, name: str, layout: Layout, store: str, scratch: str) -> threading.Thread:
    """Start group ``number`` of a study in the background; it ends when the desk closes."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    # 0.9 of a core each: the trials that hand units in need a place beside them, or nothing would ever be scheduled.
    worker = {"CPU": 0.9 * layout.threads} | ({"GPU": 1} if layout.gpu else {})
    trainer = TorchTrainer(
        serve,
        train_loop_config={"desk": desk, "group": number, "threads": layout.threads, "store": store},
        torch_config=TorchConfig(backend="nccl" if layout.gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=layout.workers, use_gpu=layout.gpu, resources_per_worker=worker),
        run_config=RunConfig(
            name=f"{name}-group{number}",
            storage_path=scratch,
            failure_config=FailureConfig(max_failures=-1, controller_failure_limit=3),
        ),
    )
    thread = threading.Thread(target=_fit, args=(trainer,), name=f"group-{number}", daemon=True)
    thread.start()
    return thread


def _fit(trainer: Any) -> None:
    # A group that cannot go on has been settled by the desk; its traceback is in Ray's logs and nobody waits for it here.
    try:
        trainer.fit()
    except Exception:
        if os.environ.get("HPT_DEBUG"):
            raise
