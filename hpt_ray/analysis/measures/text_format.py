"""How names and numbers are written, alike in the verdict, the figures, the report and the command line."""

from __future__ import annotations

from hpt_ray.analysis.stats.bootstrap import Interval
from hpt_ray.spec.study import LABELS

MINUS = "\N{MINUS SIGN}"

#: Levels whose written form is not just their name without underscores.
WRITTEN = {"crop_blur": "crop + blur", "moco_v2": "MoCo-v2", "simclr": "SimCLR", "byol": "BYOL", "": "all"}


def level_name(level: str) -> str:
    """A factor's level as prose: ``crop_only`` is "crop only"."""
    return WRITTEN.get(level, level.replace("_", " "))


def percent(share: float) -> str:
    """A share as per cent with one decimal: 0.853 is "85.3 %"."""
    return f"{100 * share:.1f} %"


def points(difference: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points with one decimal, without a unit: -0.021 is "-2.1"."""
    text = f"{100 * difference:+.1f}" if signed else f"{100 * difference:.1f}"
    return ("0.0" if text.strip("+-") == "0.0" else text).replace("-", MINUS)


def brackets(interval: Interval, *, signed: bool = True) -> str:
    """An interval's ends in points or per cent: "[+3.1, +7.4]"."""
    return f"[{points(interval.low, signed=signed)}, {points(interval.high, signed=signed)}]"


def change_interval(interval: Interval, *, signed: bool = True) -> str:
    """A difference, or unsigned a spread, with its interval, in points: "+5.3 [+3.1, +7.4]"."""
    return f"{points(interval.estimate, signed=signed)} {brackets(interval, signed=signed)}"


def extent(interval: Interval) -> str:
    """How large a difference is whose interval lies on one side of zero, rounded for a headline: "3 to 7 points"."""
    ends = sorted(100 * abs(end) for end in (interval.low, interval.high))
    digits = 0 if ends[0] >= 1 else 1
    low, high = (f"{end:.{digits}f}" for end in ends)
    return f"{low if low == high else f'{low} to {high}'} points"


def share_interval(interval: Interval) -> str:
    """A share with its interval, in per cent: "85.3 % [83.0, 87.1]"."""
    return f"{percent(interval.estimate)} {brackets(interval, signed=False)}"


def listed(names: list[str]) -> str:
    """Names as prose: "a, b and c"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def margin_text(margin: float) -> str:
    """A margin in words: 0.01 is "1 point"."""
    size = f"{100 * margin:g}"
    return f"{size} point" if size == "1" else f"{size} points"


def spoken(label: str) -> str:
    """An arm as the object of a sentence: "pretraining from scratch", "direct transfer", "HPT-BN"."""
    return "pretraining from scratch" if label == LABELS["target"] else lowered(label)


def lowered(label: str) -> str:
    """A label inside a sentence: "direct transfer", but "HPT"."""
    return label[0].lower() + label[1:] if label[1:2].islower() else label


def duration(seconds: float) -> str:
    """A time in the two units that matter: "48 s", "3 min 20 s", "5 h 12 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
