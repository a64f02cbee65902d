"""Ray Train's trainer as the worker groups use it: without processes nobody needs, and never without its place.

Ray Train gives the place of a group (a placement group of Ray's) back when the group ends. It cannot when its
controller is killed, and does not when a worker dies between being started and being asked to begin: then it forgets
the group, place and all. On a full machine nothing could be started in its stead.
"""

from __future__ import annotations

from typing import Any

import ray

from hpt_ray.execute.backends.ray import private

Callback: Any
Trainer: Any
Callback, Trainer = private.worker_group_bases()
UNUSED = ("DatasetsCallback", "PlacementGroupCleanerCallback")


class Placement(Callback):  # type: ignore[misc, unused-ignore]
    """Tells the broker the placement group of a worker group, and returns the previous one before a restart."""

    def __init__(self, broker: Any, group: int) -> None:
        self.broker, self.group = broker, group

    def before_worker_group_start(self, worker_group_context: Any) -> None:
        if placement := ray.get(self.broker.placement.remote(self.group)):
            ray.util.remove_placement_group(placement)  # of one that is gone already this is nothing

    def after_worker_group_start(self, worker_group: Any) -> None:
        ray.get(self.broker.place.remote(self.group, private.placement_group(worker_group)))


class GroupTrainer(Trainer):  # type: ignore[misc, unused-ignore]
    """Without the processes that Ray Train starts for what is not used here: its data sets, and the clean-up after a
    controller that was killed (``Placement`` does that). Two for each group, with 1.5 s of a core and 80 MB each,
    before any worker starts. In a Ray whose callbacks have other names nothing is left out.
    """

    def __init__(self, *arguments: Any, placement: Placement, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.placement = placement

    def _create_default_callbacks(self) -> list[Any]:
        made: list[Any] = super()._create_default_callbacks()
        # First, since any of the others may find a worker dead.
        return [self.placement, *(callback for callback in made if type(callback).__name__ not in UNUSED)]
