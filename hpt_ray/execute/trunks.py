"""Stages that go on from the trunk of another one: found in a store, and read from it."""

from __future__ import annotations

import contextlib
import dataclasses

from pydantic import ValidationError

from hpt_ray.core.errors import StoreError
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import PretrainingStage, identity
from hpt_ray.planning.trunks import is_trunk, with_trunks
from hpt_ray.store.store import STATE, Store


def continued(plan: Plan, store: Store) -> Plan:
    """The plan, whose trunks go on from the longest ones that the store has of them."""
    if not any(map(is_trunk, plan.stages.values())):
        return plan
    finished = []
    for name in sorted(store.trunks()):
        # What is damaged, or of another version, is trained again if it is needed.
        with contextlib.suppress(StoreError, ValidationError):
            stage = PretrainingStage.model_validate(store.planned_as(name))
            if is_trunk(stage) and stage.id == name == identity(stage.content):
                finished.append(stage)
    return dataclasses.replace(plan, stages=with_trunks(plan.stages, finished))


class Continued:
    """A stage's checkpoint and, as long as it has none, the state in which the stage ended that it continues."""

    def __init__(self, stage: PretrainingStage, store: Store) -> None:
        self.stage, self.store, self.own = stage, store, store.checkpoint(stage.id)

    def read(self) -> bytes | None:
        """The state to go on from; None: the stage starts from its weights. Raises StoreError for a damaged trunk."""
        state, trunk = self.own.read(), self.stage.continues
        return self.store.stage_file(trunk, STATE) if state is None and trunk else state

    def write(self, data: bytes) -> None:
        """Replace the stage's own checkpoint. Raises StoreError if it cannot be written."""
        self.own.write(data)
