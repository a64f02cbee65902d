"""How names and numbers are written, alike in the verdict, the figures, the report and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hpt_ray.spec.arm import LABELS

if TYPE_CHECKING:  # the command line writes durations without the statistics
    from hpt_ray.analysis.stats.bootstrap import Interval

MINUS = "\N{MINUS SIGN}"

#: Levels whose written form is not just their name without underscores.
WRITTEN = {
    "crop_blur": "crop + blur",
    "moco_v2": "MoCo-v2",
    "simclr": "SimCLR",
    "byol": "BYOL",
    "lejepa": "LeJEPA",
    "vicreg": "VICReg",
    "dino": "DINO",
    "mae": "MAE",
    "": "all",
}


def level_name(level: str) -> str:
    """A factor's level as prose: ``crop_only`` is "crop only"."""
    return WRITTEN.get(level, level.replace("_", " "))


@dataclass(frozen=True)
class Unit:
    """How the values of a metric and their differences are written.

    Attributes:
        factor: what a value is multiplied by. decimals: how many of them are written.
        of_value: what stands behind a value, such as " %". of_change: behind a difference, such as " points".
    """

    factor: float
    decimals: int
    of_value: str
    of_change: str

    def plain(self, number: float, *, signed: bool = False) -> str:
        """A value or a difference without its unit: "85.3", "+2.1"."""
        text = f"{self.factor * number:{'+' if signed else ''}.{self.decimals}f}"
        zero = f"{0:.{self.decimals}f}"
        return (zero if text.strip("+-") == zero else text).replace("-", MINUS)


#: Shares are written in per cent, and their differences in points.
SHARES = Unit(factor=100, decimals=1, of_value=" %", of_change=" points")


def percent(share: float, unit: Unit = SHARES) -> str:
    """A share as per cent with one decimal: 0.853 is "85.3 %"; a value of another unit likewise."""
    return unit.plain(share) + unit.of_value


def points(difference: float, *, signed: bool = True, unit: Unit = SHARES) -> str:
    """A difference of shares in percentage points with one decimal, without a unit: -0.021 is "-2.1"."""
    return unit.plain(difference, signed=signed)


def brackets(interval: Interval, *, signed: bool = True, unit: Unit = SHARES) -> str:
    """An interval's ends in points or per cent: "[+3.1, +7.4]"."""
    return f"[{unit.plain(interval.low, signed=signed)}, {unit.plain(interval.high, signed=signed)}]"


def change_interval(interval: Interval, *, signed: bool = True, unit: Unit = SHARES) -> str:
    """A difference, or unsigned a spread, with its interval, in points: "+5.3 [+3.1, +7.4]"."""
    return f"{unit.plain(interval.estimate, signed=signed)} {brackets(interval, signed=signed, unit=unit)}"


def extent(interval: Interval, unit: Unit = SHARES) -> str:
    """How large a difference is whose interval lies on one side of zero, rounded for a headline: "3 to 7 points"."""
    ends = sorted(unit.factor * abs(end) for end in (interval.low, interval.high))
    digits = unit.decimals - 1 if unit.decimals == 1 and ends[0] >= 1 else unit.decimals
    low, high = (f"{end:.{digits}f}" for end in ends)
    return (low if low == high else f"{low} to {high}") + unit.of_change


def share_interval(interval: Interval, unit: Unit = SHARES) -> str:
    """A share with its interval, in per cent: "85.3 % [83.0, 87.1]"."""
    return f"{percent(interval.estimate, unit)} {brackets(interval, signed=False, unit=unit)}"


def listed(names: list[str]) -> str:
    """Names as prose: "a, b and c"."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def margin_text(margin: float, unit: Unit = SHARES) -> str:
    """A margin in words: 0.01 is "1 point"."""
    size = f"{unit.factor * margin:g}"
    return size + (unit.of_change.removesuffix("s") if size == "1" else unit.of_change)


def spoken(label: str) -> str:
    """An arm as the object of a sentence: "pretraining from scratch", "direct transfer", "HPT-BN"."""
    return "pretraining from scratch" if label == LABELS["target"] else lowered(label)


def lowered(label: str) -> str:
    """A label inside a sentence: "direct transfer", but "HPT", and names that are not ours as they are."""
    return label[0].lower() + label[1:] if label in LABELS.values() and label[1:2].islower() else label


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
