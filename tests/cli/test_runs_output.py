from __future__ import annotations

import pytest

from hpt_ray.cli import runs_output
from hpt_ray.cli.runs_output import follow, line, pace
from hpt_ray.execute.states import RunState

RUNNING = RunState(
    run="methods-0123",
    state="running",
    since="2026-11-29T12:00:00+00:00",
    finished=5,
    total=20,
    cells=8,
    cells_done=2,
    images_per_second=1234.5,
    seconds_left=240.0,
    dashboard="127.0.0.1:8265",
    report="/store/runs/methods-0123/report.html",
)
FINISHED = RUNNING.model_copy(
    update={"state": "finished", "finished": 20, "cells_done": 8, "images_per_second": None, "dashboard": None}
)


def test_a_running_run_is_a_line_with_its_progress_rate_and_time_left() -> None:
    assert line(RUNNING) == "methods-0123: running, 2/8 cells, 5/20 stages, 1,234 images/s, 4 min 0 s left"
    assert pace(RUNNING.model_copy(update={"images_per_second": 0.0})) == "starting, or evaluating"
    assert line(FINISHED).startswith("methods-0123: finished, 8/8 cells, 20/20 stages since 2026-11-29 ")


def test_a_run_is_followed_until_it_ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(runs_output, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(runs_output, "LINE_SECONDS", 0.0)
    later = RUNNING.model_copy(update={"cells_done": 4})
    looks = iter([[RUNNING], [RUNNING], [later], [FINISHED]])
    follow(lambda: next(looks), "store")
    lines = capsys.readouterr().out.splitlines()
    assert [text for text in lines if "cells, " in text] == [line(RUNNING), line(later)]  # what is new, once
    assert lines[-1] == "report: /store/runs/methods-0123/report.html"
    assert "finished" in "\n".join(lines)


def test_a_table_of_runs_has_the_dashboard_of_one_that_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    damaged = RunState(run="methods-4567", state="damaged", report="", damage="plan.json is damaged")
    runs_output.show([RUNNING, damaged], "store")
    text = capsys.readouterr().out
    assert "127.0.0.1:8265" in text and "1,234 images/s, 4 min 0 s left" in text
    assert "damaged: plan.json is damaged" in text
