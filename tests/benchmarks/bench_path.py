"""What a reader follows from the command line to Parquet: the files that a run passes, with their lines.

    python tests/benchmarks/bench_path.py [inline | ray]

A small study runs with a profiler in every process and thread. A file counts if one of its functions is called (not by
an import) before ``results.parquet`` is there. What is beside the path is not counted: what a study says, what a stage
computes, what is drawn of results (``spec``, ``data``, ``training``, ``analysis``, ``report``), the values that every
floor uses (``core``), and how the command line prints.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hpt_ray"
BESIDE = ("spec", "data", "training", "analysis", "report", "core")
PRINTING = ("console.py", "decoding_progress.py", "plan_output.py", "progress.py", "streams.py", "compiler_folder.py")
MAIN = "import sys; sys.argv[0] = 'hpt-study'; from hpt_ray.cli.main import main; main()"
SETTINGS = (
    "base=synthetic:objects,n=80",
    "target=synthetic:shape,n=80",
    "seeds=1",
    "policies=baseline",
    "iterations=2",
    "base_iterations=2",
    "batch=16",
    "group=8",
)
STUDY = ["augment_ablation", *(f"--set={setting}" for setting in SETTINGS)]

#: Python imports this when it starts: in every process that inherits the environment, Ray's among them.
PROFILER = f"""
import glob, os, sys, threading
package, log, known = {str(PACKAGE)!r} + os.sep, os.environ["HPT_PASSED"], set()

def imported(frame):
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(package):
            return True
        frame = frame.f_back
    return False

def profile(frame, event, argument):
    file = frame.f_code.co_filename
    if event != "call" or file in known or not file.startswith(package) or imported(frame):
        return
    if glob.glob(os.path.join(os.environ["HPT_STORE"], "runs", "*", "results.parquet")):
        return
    known.add(file)
    with open(log, "a") as out:
        out.write(file + "\\n")

sys.setprofile(profile)
threading.setprofile(profile)
"""


def passed(runner: str) -> set[Path]:
    """The files that a run passes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sitecustomize.py").write_text(PROFILER)
        log, store = folder / "passed", folder / "store"
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([name, str(ROOT)]),
            "HPT_PASSED": str(log),
            "HPT_STORE": str(store),
        }
        command = [sys.executable, "-c", MAIN, "run", *STUDY, "--runner", runner, "--store", str(store)]
        subprocess.run(command, env=environment, check=True)
        return {Path(line) for line in log.read_text().split()}


def main() -> None:
    names = [path.relative_to(PACKAGE) for path in passed(sys.argv[1] if len(sys.argv) > 1 else "inline")]
    followed = [name for name in names if name.parts[0] not in BESIDE and name.name not in PRINTING]
    lengths = {name: len((PACKAGE / name).read_text().splitlines()) for name in followed}
    for name, lines in sorted(lengths.items()):
        print(f"{lines:5}  {name}")
    print(f"{sum(lengths.values()):5}  lines in {len(lengths)} files")


if __name__ == "__main__":
    main()
