"""A callback of Ray Train's (``RAY_TRAIN_CALLBACKS``) that kills a worker at the worst moment: after Ray has noted that
the group is up, before the worker has begun. Ray Train then forgets the group with the place that it holds."""

from __future__ import annotations

import os
import signal
from typing import Any

import ray

from hpt_ray.execute.backends.ray import private

Callback, _ = private.worker_group_bases()


class KillsAtRestart(Callback):
    """Kills the first worker of each group when it is started for the second time; Ray finds it dead at its next
    question, which ends the controller."""

    def __init__(self) -> None:
        self.starts = 0

    def after_worker_group_start(self, worker_group: Any) -> None:
        self.starts += 1
        if self.starts == 2:
            worker = worker_group.get_workers()[0]
            os.kill(worker.metadata.pid, signal.SIGKILL)
            self.notice(worker)

    def notice(self, worker: Any) -> None:
        pass


class KillsAndNotices(KillsAtRestart):
    """The same, found dead within the start, which Ray takes for another kind of error."""

    def notice(self, worker: Any) -> None:
        ray.get(worker.actor.get_metadata.remote())
