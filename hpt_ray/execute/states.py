"""The runs of a store and how complete each is; imports nothing heavy, so that the answer comes at once."""

from __future__ import annotations

from hpt_ray.core.errors import StoreError
from hpt_ray.core.values import Frozen
from hpt_ray.store.store import Store


class RunState(Frozen):
    """The folder of a run, when it started and how many of its stages are finished.

    ``damage`` is the reason why these are unknown; None if they are known.
    """

    name: str
    started: str = ""
    finished: int = 0
    total: int = 0
    failed: int = 0
    report: str
    damage: str | None = None

    @property
    def state(self) -> str:
        """In one word: "complete", "failed" (some of its stages), "unfinished" or "damaged"."""
        if self.damage:
            return "damaged"
        return "failed" if self.failed else "complete" if self.finished == self.total else "unfinished"


def runs(store: Store) -> list[RunState]:
    """Every run of a store, newest first; damaged ones last."""
    finished = store.finished()
    states = [_state(store, name, finished) for name in sorted(store.runs())]
    return sorted(states, key=lambda state: state.started, reverse=True)


def _state(store: Store, name: str, finished: set[str]) -> RunState:
    report = store.path(f"runs/{name}/report.html")
    try:
        ids, started = store.planned(name), store.manifest(name).started
        failed = sum(store.failure(stage) is not None for stage in ids if stage not in finished)
    except StoreError as error:
        return RunState(name=name, report=report, damage=str(error))
    return RunState(
        name=name,
        started=started,
        finished=len(finished.intersection(ids)),
        total=len(ids),
        failed=failed,
        report=report,
    )
