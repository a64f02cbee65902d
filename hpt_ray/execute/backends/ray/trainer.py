"""Ray Train's trainer for worker groups: without unused processes, and returning placement groups after a failure.

Ray Train returns the placement group of a worker group when the group ends. It cannot do so if its controller is
killed, and does not if a worker dies between its start and its first task. On a full machine no other group could then
be started.
"""

from __future__ import annotations

from typing import Any

import ray

from hpt_ray.execute.backends.ray import private
from hpt_ray.execute.backends.ray.cluster import low_on_memory

Callback: Any
Trainer: Any
Callback, Trainer = private.worker_group_bases()
UNUSED = ("DatasetsCallback", "PlacementGroupCleanerCallback")


class RetiredError(Exception):
    """A worker group is not to start again."""


class Placement(Callback):  # type: ignore[misc, unused-ignore]
    """Tells the broker of a worker group's starts, its placement group, and workers that were killed for their memory.

    The previous placement group is returned before a restart.
    """

    def __init__(self, broker: Any, group: int) -> None:
        self.broker, self.group = broker, group

    def before_worker_group_start(self, worker_group_context: Any) -> None:
        if placement := ray.get(self.broker.placement.remote(self.group)):
            ray.util.remove_placement_group(placement)  # does nothing if it has been removed already
        if not ray.get(self.broker.abandon.remote(self.group)):
            raise RetiredError

    def after_worker_group_start(self, worker_group: Any) -> None:
        ray.get(self.broker.place.remote(self.group, private.placement_group(worker_group)))

    def after_worker_group_poll_status(self, worker_group_status: Any) -> None:
        if any(map(low_on_memory, worker_group_status.errors.values())):
            ray.get(self.broker.run_low.remote(self.group))


class GroupTrainer(Trainer):  # type: ignore[misc, unused-ignore]
    """Ray Train's trainer without the processes that are not used here.

    These are for Ray's data sets, and to clean up after a killed controller (``Placement`` does that): two for each
    group, each 1.5 s of a core and 80 MB before any worker starts. If a later Ray renames them, they start again.
    """

    def __init__(self, *arguments: Any, placement: Placement, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.placement = placement

    def _create_default_callbacks(self) -> list[Any]:
        callbacks: list[Any] = super()._create_default_callbacks()
        # First, since any of the others may fail because a worker died.
        return [self.placement, *(callback for callback in callbacks if type(callback).__name__ not in UNUSED)]
