"""What handing ten thousand stages to eight slots on Ray costs, where the stages themselves are nothing.

    python -m tests.benchmarks.bench_slots

The worker groups fetch and finish units as always and do nothing in between: all that is left is the broker and
the messages between them. On fewer than eight cores the groups share them, so that this is an upper bound there.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from typing import Any

import hpt_ray
from hpt_ray.core import machine
from hpt_ray.core.layout import Layout
from hpt_ray.execute.backend import Request
from hpt_ray.execute.backends.ray import worker_group as group
from hpt_ray.execute.backends.ray.runner import RayRunner
from hpt_ray.execute.backends.ray.session import ray_session
from hpt_ray.execute.events import Event
from hpt_ray.execute.prepare import prepare
from hpt_ray.store.store import Store

ROUNDS, SLOTS = 3, 8
TARGETS = tuple(f"synthetic:{name},n=1000" for name in ("aerial", "texture", "colour", "shape"))


def idle(config: dict[str, Any]) -> None:
    """A worker group that does nothing with its units."""
    import ray

    broker, number = config["broker"], config["group"]
    ray.get(broker.arrive.remote(number, "here"))
    fresh = True
    while (unit := ray.get(broker.fetch.remote(number, fresh))) is not None:
        fresh = False
        ray.get(broker.finish.remote(number, unit.id, ""))


def main() -> None:
    group.serve, machine.cores = idle, lambda: SLOTS
    study = hpt_ray.make(
        "augment_ablation", base="synthetic:objects,n=1000", target=TARGETS, seeds=54, base_seeds=1, precision="float32"
    )
    costs = []
    with tempfile.TemporaryDirectory() as folder, ray_session(None) as ray:
        store = Store(folder)
        plan = prepare(study, store).plan
        units = plan.units()
        print(f"{len(plan.stages):,} stages in {len(units):,} units on {SLOTS} slots", flush=True)
        for number in range(ROUNDS):
            ended = list[float]()

            def tell(event: Event, ended: list[float] = ended) -> bool:
                if event.kind in ("finished", "failed"):
                    ended.append(time.perf_counter())
                return True

            runner = RayRunner(
                ray,
                Layout(slots=SLOTS, workers=1, threads=1),
                Request(study=study.name, run=f"bench-{number}", units=len(units)),
            )
            runner.run(iter([units]), store, tell, lambda: False)
            runner.close()
            # The first is the base's, which all others of three arms wait for: by its end, groups are up.
            costs.append((ended[-1] - ended[0]) / len(plan.stages))
            print(f"{ended[-1] - ended[0]:.1f} s, {1000 * costs[-1]:.1f} ms per stage", flush=True)
    print(f"median {1000 * statistics.median(costs):.1f} ms per stage, of all slots together")


if __name__ == "__main__":
    main()
