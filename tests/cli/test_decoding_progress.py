from __future__ import annotations

import pytest

from hpt_ray.cli import decoding_progress
from hpt_ray.cli.decoding_progress import DecodingProgress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(decoding_progress.time, "monotonic", lambda: now[0])
    return now


def _run(clock: list[float], every: float, calls: list[tuple[float, str, int]]) -> list[str]:
    shown: list[str] = []
    progress = DecodingProgress(shown.append, every)
    for seconds, data, done in calls:
        clock[0] = 100.0 + seconds
        progress(data, done, 10_000)
    return shown


def test_a_piped_run_shows_rate_and_time_left_every_ten_seconds(clock: list[float]) -> None:
    assert _run(clock, 10.0, [(second, "photos", 100 * second) for second in range(31)]) == [
        "decoding photos: 1,000 of 10,000 images, 100 images/s, 1 min 30 s left",
        "decoding photos: 2,000 of 10,000 images, 100 images/s, 1 min 20 s left",
        "decoding photos: 3,000 of 10,000 images, 100 images/s, 1 min 10 s left",
    ]


def test_what_an_earlier_run_decoded_is_done_and_not_in_the_rate(clock: list[float]) -> None:
    (line,) = _run(clock, 10.0, [(0, "photos", 8_000), (20, "photos", 9_000)])
    assert line == "decoding photos: 9,000 of 10,000 images, 50 images/s, 20 s left"


def test_another_data_set_and_a_second_reading_have_a_rate_of_their_own(clock: list[float]) -> None:
    calls = [(0, "one", 5_000), (1, "two", 10), (41, "two", 4_010), (42, "two", 20), (52, "two", 1_020)]
    assert [line.split(", ", 2)[1] for line in _run(clock, 10.0, calls)] == ["100 images/s", "100 images/s"]


def test_a_terminal_shows_every_step_and_nothing_at_the_end(clock: list[float]) -> None:
    assert _run(clock, 0.0, [(0, "one", 32), (0.5, "one", 64), (2, "one", 10_000)]) == [
        "decoding one: 32 of 10,000 images",
        "decoding one: 64 of 10,000 images",
        "",
    ]
