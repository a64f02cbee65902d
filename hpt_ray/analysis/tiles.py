"""The few key numbers that stand beside a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from hpt_ray.analysis.cells import ArmSummary
from hpt_ray.analysis.run import HPT, SCRATCH
from hpt_ray.analysis.verdict import Verdict
from hpt_ray.analysis.wording import brackets, level_name, percent, points


@dataclass(frozen=True)
class Tile:
    """A key number as text: what it is, its value, its interval, and what to know about it."""

    title: str
    value: str
    interval: str
    remark: str


def tiles(verdict: Verdict, lines: list[ArmSummary]) -> list[Tile]:
    """HPT's accuracy and differences, and the worst changes of HPT and from scratch, of those that exist."""
    by_arm = {line.arm: line for line in lines}
    found = []
    hpt = by_arm.get(HPT)
    if hpt is not None and hpt.accuracy is not None:
        accuracy = hpt.accuracy
        found.append(
            Tile("HPT, accuracy", percent(accuracy.estimate), brackets(accuracy, signed=False), "at the baseline")
        )
    for claim in verdict.claims:
        if claim.measure == "accuracy" and claim.difference is not None:
            gap, other = claim.difference, claim.against.lower()
            found.append(Tile(f"HPT vs {other}", points(gap.estimate), brackets(gap), f"points: {claim.outcome}"))
    for arm in (HPT, SCRATCH):
        line = by_arm.get(arm)
        if line is not None and line.worst is not None and line.worst_level is not None:
            worst, level = line.worst, level_name(line.worst_level)
            title = f"{line.label}, worst change"
            found.append(Tile(title, points(worst.estimate), brackets(worst), f"points, at {level}"))
    return found
