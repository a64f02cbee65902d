"""The CPU time of the commands that are used most, for this checkout or another one.

    python tests/benchmarks/bench_commands.py [CHECKOUT ...]

CPU time is that of the processes that a command starts, user and system, the least of a few times: it hardly depends on
what else the machine does. Each checkout has a store of its own, with a small run that ``run`` has just finished.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

#: ``cli`` was one file once.
MAIN = "import sys; sys.argv[0] = 'hpt-study'; from hpt_ray.cli import main; getattr(main, 'main', main)()"
TINY = {
    "base": "synthetic:objects,n=80",
    "target": "synthetic:shape,n=80",
    "policies": "baseline,crop_only",
    "iterations": "2",
    "scratch_iterations": "2",
    "base_iterations": "2",
    "batch": "16",
    "group": "8",
    "image_size": "16",
}
SETTINGS = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
RUN = ["run", "augment_ablation", "--runner", "inline", *SETTINGS]
#: In this order; those that take long are measured once.
COMMANDS: dict[str, list[str]] = {
    "run (all to train)": RUN,
    "run (all is there)": RUN,
    "run (refused)": ["run", "augment_ablation", "--set", "seeds=abc"],
    "plan": ["plan", "augment_ablation", *SETTINGS],
    "status": ["status"],
    "show": ["show", "augment_ablation"],
    "list": ["list"],
    "report": ["report", "augment_ablation"],
    "verify": ["verify"],
    "--help": ["--help"],
}
TIMES = 3


def cpu_seconds(checkout: Path, place: Path, command: Sequence[str]) -> float:
    """The CPU time of one command, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    subprocess.run([sys.executable, "-c", MAIN, *command], cwd=place, env=environment, capture_output=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(checkout: Path) -> dict[str, float]:
    """The least CPU time of each command; the data is in the cache by the first run, which is not measured."""
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as place:
        cpu_seconds(checkout, Path(warm), RUN)
        return {
            name: min(
                cpu_seconds(checkout, Path(place), command) for _ in range(1 if name == "run (all to train)" else TIMES)
            )
            for name, command in COMMANDS.items()
        }


if __name__ == "__main__":
    checkouts = [Path(given).resolve() for given in sys.argv[1:]] or [Path(__file__).parents[2]]
    seconds = [measure(checkout) for checkout in checkouts]
    print("CPU seconds".ljust(20), *(checkout.name.rjust(12) for checkout in checkouts))
    for name in COMMANDS:
        print(name.ljust(20), *(f"{each[name]:12.2f}" for each in seconds))
