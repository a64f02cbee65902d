from __future__ import annotations

import pytest

from hpt_ray.cli import console
from hpt_ray.cli.progress import RunObserver
from hpt_ray.cli.run_log import LOG, kept
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.core.layout import Layout
from hpt_ray.store.store import MANIFEST, Store


def logged(store: Store) -> list[str]:
    """The lines of the log of a run without their times."""
    return [line[20:] for line in store.read(f"runs/one/{LOG}").decode().splitlines()]


@pytest.fixture
def store(tmp_path) -> Store:
    made = Store(tmp_path)
    made.write(f"runs/one/{MANIFEST}", b"{}")
    return made


def test_what_is_printed_is_logged_and_nothing_after(store: Store) -> None:
    with kept(store.where) as log:
        log.belongs_to("one")
        console.out.print("first", style="bold")
        lines = console.facts()
        lines.add_row("cells", "[4]")
        console.out.print(lines)
        console.out.print()
    console.out.print("later")
    assert [line.split() for line in logged(store)] == [["first"], ["cells", "[4]"]]


def test_lines_before_the_folder_is_there_are_kept_and_a_refused_run_leaves_none(tmp_path) -> None:
    store = Store(tmp_path)
    with kept(store.where) as log:
        console.out.print("early")
        log.belongs_to("one")
        log.write()
        assert store.sizes("runs") == {}
        store.write(f"runs/one/{MANIFEST}", b"{}")
    assert logged(store) == ["early"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StudyError("seeds is empty."), "error: seeds is empty."),
        (ValueError("no such column"), "ValueError: no such column"),
        (KeyboardInterrupt(2), "interrupted"),
    ],
)
def test_why_a_run_ended_is_its_last_line(store: Store, error: BaseException, line: str) -> None:
    with pytest.raises(type(error)), kept(store.where) as log:
        log.belongs_to("one")
        raise error
    assert logged(store) == [line]
    assert console.out.copy is None


def test_a_full_disk_costs_the_log_and_not_the_run(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StoreError("no space left")

    monkeypatch.setattr(Store, "write", full)
    with kept(store.where) as log:
        log.belongs_to("one")
        console.out.print("first")
    assert not store.exists(f"runs/one/{LOG}")


def test_a_silent_console_prints_nothing_and_its_log_has_all(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with kept(store.where) as log, console.out.silent(True):
        log.belongs_to("one")
        console.out.print("first")
    console.out.print("after")
    assert capsys.readouterr().out == "after\n"
    assert logged(store) == ["first"]


def test_a_command_of_two_runs_keeps_the_log_of_each(store: Store) -> None:
    store.write(f"runs/two/{MANIFEST}", b"{}")
    store.write(f"runs/two/{LOG}", b"2026-11-29 12:00:00 an earlier attempt\n")
    with kept(store.where) as log:
        for run in ("one", "two"):
            console.out.print(f"planning {run}")
            log.belongs_to(run)
    assert logged(store) == ["planning one", "planning two"]
    text = store.read(f"runs/two/{LOG}").decode().splitlines()
    assert [line[20:] for line in text] == ["an earlier attempt", "planning one", "planning two"]


def test_the_token_of_a_dashboard_is_printed_and_not_logged(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with kept(store.where) as log:
        log.belongs_to("one")
        layout = Layout(slots=1, workers=1, threads=1)
        RunObserver(None, log).started(layout, "http://127.0.0.1:8265  token 0123abcd")
    assert "token 0123abcd" in capsys.readouterr().out
    text = "\n".join(logged(store))
    assert "http://127.0.0.1:8265" in text and "0123abcd" not in text
