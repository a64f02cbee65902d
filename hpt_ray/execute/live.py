"""What a run shows while it goes on: its heartbeat, and a report of the cells that are there so far.

Two threads of the driver do this, so that neither waits for the other nor the run for them. They change no number: the
report reads finished stages alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from types import TracebackType
from typing import NamedTuple

import pyarrow as pa

from hpt_ray.core import user_code
from hpt_ray.core.errors import StoreError
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.finalize import report_so_far
from hpt_ray.execute.manifest import plan_json
from hpt_ray.execute.stopping import StopNow
from hpt_ray.planning.plan import Plan
from hpt_ray.store import heartbeat, labels, schema
from hpt_ray.store.heartbeat import BEAT_SECONDS, Heartbeat
from hpt_ray.store.records import Manifest
from hpt_ray.store.store import PLAN, VIEWS, Store
from hpt_ray.store.tables import parquet

#: Seconds between two reports at least, and the largest share of the run's time that goes into them.
REPORT_SECONDS, REPORT_SHARE = 30.0, 0.02
#: Seconds that the first report is expected to take: later ones are expected to take as long as the one before.
FIRST_REPORT = 2.0
POLL_SECONDS = 0.5


class Pace:
    """When a report is due: with cells that the last one lacked, and as rarely as its cost asks for."""

    def __init__(self, began: float) -> None:
        """``began``: when the run did; all times are in seconds of one clock."""
        self.began, self.last = began, began
        self.cost, self.spent, self.cells = FIRST_REPORT, 0.0, 0

    def due(self, now: float, cells: int) -> bool:
        """Whether a report is to be written now, of so many finished cells."""
        affordable = self.spent + self.cost <= REPORT_SHARE * (now - self.began)
        return cells > self.cells and affordable and now - self.last >= REPORT_SECONDS

    def written(self, begun: float, now: float, cells: int) -> None:
        """Note a report that was begun and ended at these times."""
        self.cost, self.last, self.cells = now - begun, now, cells
        self.spent += self.cost


class Known(NamedTuple):
    """A run as far as it is known: a search and a run that grows learn of their cells as they go on."""

    plan: Plan
    manifest: Manifest


class Live:
    """A context that keeps a run's heartbeat and its report so far, from the first call of ``write_plan`` on."""

    def __init__(
        self, store: Store, progress: Progress, observer: Observer, label: labels.Label, views: pa.Table | None
    ) -> None:
        """
        Args:
            label: what the user calls the run. views: for its report; None where they follow at its end.
        """
        self.label, self.views = label, views
        self.store, self.progress, self.observer = store, progress, observer
        self.dashboard: str | None = None
        self._known: Known | None = None
        self._began = heartbeat.now()
        self._reported, self._over = threading.Event(), threading.Event()
        self._reports = threading.Thread(target=self._write_reports, name="report so far", daemon=True)
        self._beats = threading.Thread(target=self._write_heartbeats, name="heartbeat", daemon=True)

    def write_plan(self, plan: Plan, manifest: Manifest) -> None:
        """Write the run's folder as far as the run is known: when it begins, and whenever it learns of more cells."""
        files = {PLAN: plan_json(plan)} | ({} if self.views is None else {VIEWS: parquet(self.views)})
        self.store.write_run(plan.run, files, manifest)
        if self._known is None:  # a user may have changed it since
            labels.write(self.store, plan.run, self.label)
        self._known = Known(plan, manifest)

    def outcome(self, manifest: Manifest, seconds: float) -> Manifest:
        """The manifest with how the run went: its wall time, and what its backend noted."""
        notes, given_up = (*manifest.notes, *self.progress.notes), self.progress.hopeless
        return manifest.model_copy(update={"seconds": seconds, "given_up": given_up, "notes": notes})

    def __enter__(self) -> Live:
        self._reports.start()
        self._beats.start()
        return self

    def end_reports(self) -> None:
        """Wait until no report so far is being written: the whole one follows."""
        self._reported.set()
        self._reports.join()
        self.observer.doing("writing the tables and the report")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reported.set()
        self._over.set()
        if not isinstance(error, StopNow):
            self._reports.join()
            self._beats.join()
        self._beat(going=False)

    def _write_heartbeats(self) -> None:
        while self._known is None:
            if self._over.wait(POLL_SECONDS):
                return
        while not self._over.is_set():
            self._beat(going=True)
            self._over.wait(BEAT_SECONDS)

    def _beat(self, going: bool) -> None:
        if self._known is None:
            return
        progress = self.progress
        beat = Heartbeat(
            going=going,
            began=self._began,
            at=heartbeat.now(),
            cells=len(progress.cells),
            cells_done=progress.cells_done,
            stages=progress.total,
            stages_done=progress.done,
            images_per_second=progress.rate,
            seconds_left=progress.seconds_left,
            dashboard=self.dashboard,
        )
        with contextlib.suppress(StoreError):  # the disk may be full: the next one may be written again
            heartbeat.write(self.store, self._known.plan.run, beat)

    def _write_reports(self) -> None:
        pace = Pace(time.monotonic())
        while not self._reported.wait(POLL_SECONDS):
            cells, begun = self.progress.cells_done, time.monotonic()
            if self._known is None or not pace.due(begun, cells):
                continue
            plan, manifest = self._known
            views = schema.VIEWS.empty_table() if self.views is None else self.views
            manifest = manifest.model_copy(update={"seconds": begun - pace.began})
            try:
                report_so_far(plan, manifest, views, self.store, self._reported.is_set)
            except Exception as error:  # a dashboard of the user's own may fail, which must not end the run
                reason = f"The report so far cannot be written ({user_code.reason(error)}); the run goes on without it."
                self.observer.progress(Event(kind="note", reason=reason), self.progress)
                return
            pace.written(begun, time.monotonic(), cells)
