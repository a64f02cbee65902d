"""The worker groups of a run: as many as its layout says, and more where nodes join while units wait."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.layout import Layout, layout
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import worker_group
from hpt_ray.execute.backends.ray.broker import News
from hpt_ray.execute.backends.ray.cluster import low_on_memory, node_ids, nodes
from hpt_ray.execute.visible import Visible

if TYPE_CHECKING:
    from hpt_ray.execute.backends.ray.trainer import GroupTrainer

#: How often a group is started at most. Ray Train restarts the workers of a group, but a controller that is killed or
#: cannot start them ends its group.
STARTS = 10
#: Seconds between two looks at which nodes there are.
NODES_SECONDS = 5.0


class Groups:
    """Starts the groups, each of which a thread follows until it has ended."""

    def __init__(self, ray: Any, layout: Layout, request: Request, first: int = 0) -> None:
        """
        Args:
            layout: of the nodes that are up.
            first: the number of the first group, of which a run has each only once.
        """
        self.first = first
        self.ray, self.layout, self.request = ray, layout, request
        self.threads: list[threading.Thread] = []
        self.over = threading.Event()
        self.known, self.looked_at = node_ids(ray), time.monotonic()

    @property
    def next(self) -> int:
        """The number of the next group."""
        return self.first + len(self.threads)

    @property
    def running(self) -> int:
        """How many groups have not ended."""
        return sum(thread.is_alive() for thread in self.threads)

    def start(self, number: int, broker: Any, visible: Visible, scratch: str) -> None:
        """Start so many more groups.

        Args:
            visible: what every worker must see. scratch: a folder for Ray's files.
        """
        for _ in range(number):
            arguments = (self.next, broker, visible, scratch)
            thread = threading.Thread(target=self._keep, args=arguments, name=f"group-{self.next}", daemon=True)
            self.threads.append(thread)
            thread.start()

    def _keep(self, group: int, broker: Any, visible: Visible, scratch: str) -> None:
        """Keep a group running until the broker closes. Ray's logs have the traceback of a failure."""
        import ray

        for attempt in range(STARTS):
            try:
                self._trainer(group, attempt, broker, visible, scratch).fit()
                return
            except Exception as error:
                if os.environ.get("HPT_DEBUG"):
                    raise
                low = low_on_memory(error)
            if self.over.is_set():
                return
            # The next controller may wait a minute for resources: another group gets the unit.
            with contextlib.suppress(ray.exceptions.RayError):  # Ray itself may have ended
                if low:
                    ray.get(broker.run_low.remote(group))
                if not ray.get(broker.abandon.remote(group)):
                    return

    def _trainer(self, group: int, attempt: int, broker: Any, visible: Visible, scratch: str) -> GroupTrainer:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from hpt_ray.execute.backends.ray.trainer import GroupTrainer, Placement

        # 0.9 of a core each: trials need some cores, too.
        worker, gpu = {"CPU": 0.9 * self.layout.threads}, self.layout.stages_per_gpu > 0
        if gpu:
            worker["GPU"] = int(1e4 / self.layout.stages_per_gpu) / 1e4  # Ray counts in ten thousandths, and rounds
        return GroupTrainer(
            worker_group.serve,
            placement=Placement(broker, group),
            train_loop_config={
                "broker": broker,
                "group": group,
                "threads": self.layout.threads,
                "visible": visible,
                "scratch": scratch,
                "folder": str(Path.cwd()),
                "gpu": gpu,
            },
            scaling_config=ScalingConfig(
                num_workers=self.layout.workers,
                use_gpu=gpu,
                resources_per_worker=worker,
                placement_strategy="STRICT_PACK" if self.layout.packed else "PACK",
            ),
            run_config=RunConfig(
                name=f"{self.request.run}-group{group}.{attempt}",
                storage_path=scratch,
                failure_config=FailureConfig(max_failures=-1, controller_failure_limit=0),  # type: ignore[call-arg]
            ),
        )

    def room(self, news: News) -> int:
        """For how many more groups there is room on nodes that have joined, where units wait; 0 if no node has."""
        if not news.waiting or time.monotonic() - self.looked_at < NODES_SECONDS:
            return 0
        self.looked_at = time.monotonic()
        up = node_ids(self.ray)
        if up <= self.known:
            return 0
        self.known |= up
        try:
            # Threads, precision and stages that share a GPU stay those of the groups that run already.
            chosen = layout(
                nodes(self.ray),
                min(news.unfinished, self.request.slots or news.unfinished),
                workers=self.layout.workers,
                threads=self.layout.threads,
                gpus=self.request.gpus if self.layout.stages_per_gpu else 0,
                stages_per_gpu=max(1, self.layout.stages_per_gpu),
            )
        except StudyError:  # other nodes have left
            return 0
        return max(0, chosen.slots - self.running - news.retired)

    def end(self, seconds: float) -> None:
        """Wait at most this long for the groups, which end once the broker has closed."""
        until = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))
