"""What a run shows while it goes on: its report so far, and a heartbeat by which a dead run is told from a live one."""

from __future__ import annotations

import datetime
import itertools
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from hpt_ray.core.errors import StoreError
from hpt_ray.execute import live, states
from hpt_ray.execute.backends import inline
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.live import FIRST_REPORT, REPORT_SECONDS, REPORT_SHARE, Pace
from hpt_ray.execute.run import run
from hpt_ray.execute.runs import rewrite
from hpt_ray.store import heartbeat, labels
from hpt_ray.store.labels import Label, label
from hpt_ray.store.store import Store
from tests.support import small
from tests.support.processes import Bench, bench, wait_until

STUDY = small.study(arms=("target", "base"), factors=(), seeds=(0, 1))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports and heartbeats as often as can be."""
    for name in ("REPORT_SECONDS", "FIRST_REPORT", "POLL_SECONDS", "BEAT_SECONDS"):
        monkeypatch.setattr(live, name, 0.01)
    monkeypatch.setattr(live, "REPORT_SHARE", 1000.0)


def test_reports_are_rare_enough() -> None:
    pace, now, cells, spent, written = Pace(0.0), 0.0, 0, 0.0, []
    while now < 4000:
        now, cells = now + 1, cells + 1
        if pace.due(now, cells):
            cost = 1.5 if len(written) < 5 else 4.0  # it grows with the cells
            pace.written(now, now + cost, cells)
            written.append(now)
            spent, now = spent + cost, now + cost
            assert spent <= max(FIRST_REPORT, cost, REPORT_SHARE * now + cost)
    assert written[0] >= FIRST_REPORT / REPORT_SHARE
    assert min(later - earlier for earlier, later in itertools.pairwise(written)) >= REPORT_SECONDS
    assert len(written) > 15 and spent <= REPORT_SHARE * 4000 * 1.05


def test_without_a_new_cell_there_is_nothing_to_report() -> None:
    pace = Pace(0.0)
    assert not pace.due(1e6, 0)
    assert pace.due(1e6, 1)
    pace.written(1e6, 1e6, 1)
    assert not pace.due(2e6, 1)


def test_the_report_is_written_while_the_run_goes_on_and_says_how_much_is_there(tmp_path, monkeypatch, at_once) -> None:
    whole, pages = inline.run_unit, list[str]()

    def watched(unit: Any, *arguments: Any) -> None:
        whole(unit, *arguments)
        (folder,) = (tmp_path / "runs").iterdir()
        if folder.joinpath("report.html").exists():
            pages.append(folder.joinpath("report.html").read_text())
        if len(started) > 1:
            assert wait_until(folder.joinpath("report.html").exists, 30)
        started.append(states.runs(Store(tmp_path))[0])

    started: list[states.RunState] = []
    monkeypatch.setattr(inline, "run_unit", watched)
    result = run(STUDY, store=tmp_path, runner="inline")
    (page,) = set(re.findall(r"So far: \d of \d cells", pages[-1]))
    assert re.fullmatch(r"So far: [123] of 3 cells", page)  # 3 where the last stage is there before the run learns it
    assert "load it again" in pages[-1]
    assert {state.state for state in started} == {"running"}
    assert "so far" not in Path(result.report).read_text().lower()
    (state,) = states.runs(Store(tmp_path))
    assert (state.state, state.cells_done, state.cells) == ("finished", 3, 3)


def test_a_report_that_cannot_be_written_is_a_note_and_the_run_goes_on(tmp_path, monkeypatch, at_once) -> None:
    notes: list[str] = []

    class Listener(Observer):
        def progress(self, event: Event, progress: Progress) -> None:
            notes.extend([event.reason] if event.kind == "note" else [])

    def broken(*_: object) -> None:
        raise ValueError("no such column")

    monkeypatch.setattr(live, "report_so_far", broken)
    whole = inline.run_unit
    monkeypatch.setattr(inline, "run_unit", lambda *arguments: (time.sleep(0.2), whole(*arguments)))
    result = run(STUDY, store=tmp_path, runner="inline", observer=Listener())
    assert result.failures == {} and Path(result.report).is_file()
    (note,) = notes
    assert note.startswith("The report so far cannot be written (ValueError: no such column")


def test_a_full_disk_costs_a_heartbeat_and_not_the_run(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(heartbeat, "write", full)
    assert run(STUDY, store=tmp_path, runner="inline").failures == {}
    (state,) = states.runs(Store(tmp_path))
    assert (state.state, state.cells) == ("finished", None)


def test_a_note_that_is_written_while_a_run_goes_on_is_kept_when_it_learns_of_more_cells(tmp_path) -> None:
    store, plan = Store(tmp_path), run(STUDY, store=tmp_path, runner="inline").handover.plan
    going = live.Live(store, Progress(), Observer(), Label(name="one"), None)
    going.write_plan(plan, store.manifest(plan.run))
    assert label(store, plan.run) == Label(name="one")
    later = Label(name="one", note="the learning rate is too high")
    labels.write(store, plan.run, later)
    going.write_plan(plan, store.manifest(plan.run))
    assert label(store, plan.run) == later


def test_what_was_interrupted_is_said_so_and_its_report_has_what_is_there(tmp_path, monkeypatch) -> None:
    whole, done = inline.run_unit, list[str]()

    def interrupted(unit: Any, *arguments: Any) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(unit.id)
        whole(unit, *arguments)

    monkeypatch.setattr(inline, "run_unit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(STUDY, store=tmp_path, runner="inline")
    (state,) = states.runs(Store(tmp_path))
    assert state.state == "interrupted"
    assert not [thread.name for thread in live.threading.enumerate() if thread.name in ("heartbeat", "report so far")]
    headline = rewrite(Store(tmp_path), "small").verdicts[0].headline
    assert headline.startswith(f"So far: {state.cells_done} of 3 cells. ")
    assert state.since >= state.started


@pytest.mark.slow
def test_a_killed_run_is_interrupted_within_a_minute(tmp_path) -> None:
    with bench(tmp_path) as processes:
        process = processes.start("--runner", "inline")
        assert wait_until(lambda: list(tmp_path.glob("runs/*/heartbeat.json")), 60), _printed(processes, process)
        process.send_signal(signal.SIGKILL)
        process.wait()
    store = Store(tmp_path)
    (state,) = states.runs(store)
    beat = heartbeat.read(store, state.run)
    assert beat is not None and beat.going
    later = beat.at + datetime.timedelta(seconds=heartbeat.DEAD_SECONDS)
    (dead,) = states.runs(store, now=later)
    assert (dead.state, dead.since) == ("interrupted", beat.at.isoformat())
    assert dead.dashboard is None and dead.seconds_left is None


def _printed(processes: Bench, process: Any) -> str:
    os.kill(process.pid, signal.SIGKILL)
    return str(process.communicate()[0])
