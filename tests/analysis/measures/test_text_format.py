"""How numbers are written."""

from __future__ import annotations

import pytest

from hpt_ray.analysis.measures import text_format as wording
from hpt_ray.analysis.stats.bootstrap import Interval


@pytest.mark.parametrize(("value", "text"), [(0.0531, "+5.3"), (-0.02, "−2.0"), (-0.0001, "0.0"), (0.0, "0.0")])
def test_points(value: float, text: str) -> None:
    assert wording.points(value) == text


def test_intervals() -> None:
    interval = Interval(0.853, 0.83, 0.871, 3)
    assert wording.share_interval(interval) == "85.3 % [83.0, 87.1]"
    assert wording.change_interval(interval) == "+85.3 [+83.0, +87.1]"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.04, "2.0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (18_720, "5 h 12 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("names", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_listed(names: list[str], text: str) -> None:
    assert wording.listed(names) == text
