"""The runs of a store and how complete each is; imports nothing heavy, so that the answer comes at once."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Literal

from hpt_ray.core.errors import StoreError
from hpt_ray.core.values import Frozen
from hpt_ray.store import heartbeat
from hpt_ray.store.heartbeat import Heartbeat
from hpt_ray.store.labels import label
from hpt_ray.store.records import Manifest
from hpt_ray.store.store import REPORT, Store

State = Literal["running", "interrupted", "failed", "finished", "damaged"]


class RunState(Frozen):
    """A run: its folder, how it stands, and how much of it is there.

    Attributes:
        run: its id, the name of its folder. name, note: those that a user has given it, or "".
        state: "running"; "interrupted": nothing runs it, and it is not finished; "failed": some of its stages have;
            "finished"; "damaged": see ``damage``.
        since: when it came to that, as far as it is known. started: when it began, both in ISO 8601.
        finished, total, failed: numbers of stages of its plan. cells, cells_done: of its last heartbeat; None: unknown.
        images_per_second, seconds_left, dashboard: while it runs, as in a heartbeat.
        report: the path or address of its page. damage: why the rest is unknown; None if it is known.
    """

    run: str
    name: str = ""
    note: str = ""
    state: State
    since: str = ""
    started: str = ""
    finished: int = 0
    total: int = 0
    failed: int = 0
    cells: int | None = None
    cells_done: int | None = None
    images_per_second: float | None = None
    seconds_left: float | None = None
    dashboard: str | None = None
    report: str
    damage: str | None = None


def runs(store: Store, only: Iterable[str] | None = None, now: datetime.datetime | None = None) -> list[RunState]:
    """The runs of a store, newest first; damaged ones last.

    Args:
        only: the ids of some; None: all. now: None: the time by this machine's clock.
    """
    finished, chosen = store.finished(), store.runs() if only is None else only
    states = [_state(store, run, finished, now or heartbeat.now()) for run in sorted(chosen)]
    return sorted(states, key=lambda state: state.started, reverse=True)


def _state(store: Store, run: str, finished: set[str], now: datetime.datetime) -> RunState:
    given = label(store, run).model_dump()
    report = store.path(f"runs/{run}/{REPORT}")
    try:
        ids, manifest = store.planned(run), store.manifest(run)
        failed = sum(store.failure(stage) is not None for stage in ids if stage not in finished)
    except StoreError as error:
        return RunState(run=run, **given, state="damaged", report=report, damage=str(error))
    beat, done = heartbeat.read(store, run), len(finished.intersection(ids))
    state = RunState(
        run=run,
        **given,
        state="interrupted",
        since=_last_sign(manifest, beat),
        started=manifest.started,
        finished=done,
        total=len(ids),
        failed=failed,
        cells=beat.cells if beat else None,
        cells_done=beat.cells_done if beat else None,
        report=report,
    )
    if beat and beat.alive(now):
        running = beat.model_dump(include={"images_per_second", "seconds_left", "dashboard"})
        return state.model_copy(update={"state": "running", "since": beat.began.isoformat(), **running})
    # Of a run that was killed in the middle of its report, all stages are there.
    if done == len(ids) and (manifest.collected or beat is None):
        return state.model_copy(update={"state": "finished"})
    return state.model_copy(update={"state": "failed"}) if failed else state


def _last_sign(manifest: Manifest, beat: Heartbeat | None) -> str:
    """When a run that does not run was last seen running."""
    if beat:
        return beat.at.isoformat()
    try:
        ended = datetime.datetime.fromisoformat(manifest.started) + datetime.timedelta(seconds=manifest.seconds)
    except OverflowError:  # of a store that someone else wrote
        return manifest.started
    return ended.isoformat(timespec="seconds")
