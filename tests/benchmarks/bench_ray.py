"""What Ray adds: per stage once the groups are up, and for a whole run.

    python -m tests.benchmarks.bench_ray

A study of many small units runs on Ray. Overhead per unit (one Tune trial: a pretraining and its evaluations) is the
time of all slots from the first start to the last finish that no stage accounts for, over the units; the rest of the
run's time, before and after, is what starting, stopping, collecting and reporting cost.
"""

from __future__ import annotations

import statistics
import tempfile
import time

import hpt_ray
from hpt_ray.core.layout import Layout
from hpt_ray.execute.events import Event, Observer, Progress
from hpt_ray.execute.run import run
from hpt_ray.planning.plan import Plan, Unit

ROUNDS = 3


class Watch(Observer):
    """Notes when things happen."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self.slots = self.units = self.stages = 0

    def planned(self, plan: Plan, units: list[Unit], cached: int) -> None:
        self.units, self.stages = len(units), sum(len(unit.stages) for unit in units)

    def started(self, layout: Layout, dashboard: str | None) -> None:
        self.slots = layout.slots

    def progress(self, event: Event, progress: Progress) -> None:
        now = time.perf_counter()
        self.first = self.first or now
        if event.kind in ("finished", "failed"):
            self.last = now


def main() -> None:
    per_unit, fixed = [], []
    study = hpt_ray.make(
        "augment_ablation",
        base="synthetic:texture,n=600",
        target="synthetic:shape,n=600",
        iterations=10,
        base_iterations=10,
        base_seeds=1,
        seeds=6,
    )
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as store:
            watch, began = Watch(), time.perf_counter()
            result = run(study, store=store, observer=watch)
            wall = time.perf_counter() - began
        assert not result.failures, result.failures
        compute = result.run.manifest.compute_seconds or 0.0
        busy = watch.last - watch.first
        per_unit.append((busy * watch.slots - compute) / watch.units)
        fixed.append(wall - busy)
        print(
            f"{watch.units} units of {watch.stages} stages: {wall:.1f} s in all, {busy:.1f} s from first start to last "
            f"finish on {watch.slots} slots, {compute:.1f} s of compute"
        )
    stages = watch.stages / watch.units
    print(
        f"overhead per unit {statistics.median(per_unit):.2f} s, per stage {statistics.median(per_unit) / stages:.2f} s"
    )
    print(f"starting, stopping, collecting and reporting {statistics.median(fixed):.1f} s")


if __name__ == "__main__":
    main()
