"""What a unit that failed leaves in the store, and what it takes with it."""

from __future__ import annotations

import contextlib

from hpt_ray.core.errors import StoreError
from hpt_ray.planning.plan import Unit
from hpt_ray.store.store import Store


def lacks_weights(unit: Unit, store: Store) -> bool:
    """Whether a unit that failed takes with it what needs it: a probe may fail where the weights are there."""
    return store.record(unit.id) is None


def record_failure(unit: Unit, store: Store, reason: str) -> None:
    """Leave the reason with every stage of the unit that is not finished."""
    # Where nothing can be written any more, the reason is still told, and the run goes on to say the rest.
    with contextlib.suppress(StoreError):
        for stage in unit.stages:
            if store.record(stage.id) is None:
                store.fail(stage.id, reason)
