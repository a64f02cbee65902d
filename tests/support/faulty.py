"""A study of a user's, for faults: `hpt-study run faulty.py --set fault=3`. Small, with one stage that takes longer."""

from __future__ import annotations

from hpt_ray.spec.study import Study
from tests.support import small
from tests.support.places import SUPPORT

DEADLY = str(SUPPORT / "deadly.py")


def study(*, iterations: int = 250, seeds: int = 1, fault: int = 0) -> Study:
    """Four arms, two policies, on drawn images; ``iterations`` of base pretraining, few of the others."""
    base = {"data": small.BASE, "seed": 0, "iterations": iterations}
    if fault:
        base |= {"method": DEADLY, "options": {"queue": 32, "dim": 8, "fault": fault}}
    return small.study(
        name="faulty",
        seeds=tuple(range(seeds)),
        recipes={"base": small.recipe(**base), "target": small.recipe()},
    )
