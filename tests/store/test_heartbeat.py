from __future__ import annotations

import datetime

import pytest

from hpt_ray.store import heartbeat
from hpt_ray.store.heartbeat import BEAT_SECONDS, DEAD_SECONDS, HEARTBEAT, Heartbeat
from hpt_ray.store.store import Store

NOON = datetime.datetime(2026, 11, 29, 12, tzinfo=datetime.UTC)


def after(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("going", "seconds", "alive"),
    [
        (True, 0, True),
        (True, DEAD_SECONDS - 1, True),
        (True, DEAD_SECONDS, False),
        (True, -3600, True),  # the reader's clock is behind
        (False, 0, False),
    ],
)
def test_a_run_is_alive_while_its_heart_beats(going: bool, seconds: float, alive: bool) -> None:
    assert Heartbeat(going=going, began=NOON, at=NOON).alive(after(seconds)) == alive
    assert DEAD_SECONDS >= 3 * BEAT_SECONDS  # one that comes late, on a busy machine, is no death


def test_what_is_written_is_read(tmp_path) -> None:
    store = Store(tmp_path)
    assert heartbeat.read(store, "one") is None
    beat = Heartbeat(going=True, began=NOON, at=after(9), cells=4, cells_done=1, seconds_left=3.5)
    heartbeat.write(store, "one", beat)
    assert heartbeat.read(store, "one") == beat


@pytest.mark.parametrize(
    "damage", [b"", b"\xff", b"[]", b"[" * 100_000, b'{"going": true}', b'{"going": 1, "began": "2026", "at": null}']
)
def test_a_damaged_one_is_none(tmp_path, damage) -> None:
    store = Store(tmp_path)
    store.write(f"runs/one/{HEARTBEAT}", damage)
    assert heartbeat.read(store, "one") is None


def test_a_time_without_its_zone_is_refused(tmp_path) -> None:
    store = Store(tmp_path)
    store.write_json(f"runs/one/{HEARTBEAT}", {"going": True, "began": "2026-11-29T12:00", "at": "2026-11-29T12:00"})
    assert heartbeat.read(store, "one") is None
