"""How a user takes the weights that won: the command that writes them to a file, and the Python that loads it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from hpt_ray.analysis.measures.choice import Choice
from hpt_ray.core.errors import StudyError
from hpt_ray.planning.plan import Plan
from hpt_ray.report.winner import Handed
from hpt_ray.store.records import Manifest
from hpt_ray.training.weights.counterparts import SUFFIXES, Layout, loading, usual


def handed(plan: Plan, manifest: Manifest, winners: Iterable[Choice | None]) -> list[Handed]:
    """How to take the winner of each target that has one."""
    choices = [choice for choice in winners if choice is not None]
    try:
        return [_handed(plan, manifest, choice, usual(plan.study.backbone)) for choice in choices]
    except StudyError:  # of a store from elsewhere: this machine may lack the library, or it the network
        return [_handed(plan, manifest, choice, "safetensors") for choice in choices]


def _handed(plan: Plan, manifest: Manifest, choice: Choice, to: Layout) -> Handed:
    study, data = plan.study, manifest.datasets[choice.target]
    target, name = (choice.target, f"{study.name}-{data.name}") if len(study.targets) > 1 else ("", study.name)
    file = re.sub(r"[^\w.-]+", "-", name) + SUFFIXES[to]
    lines = loading(study.backbone, to, study.image_size, file, len(data.mean))
    return Handed(choice.target, choice, export_command(manifest.command, plan.run, target, to, file), lines)


def export_command(reproduce: str, run: str, target: str, to: Layout, file: str, arm: str = "") -> str:
    """The shell command that writes weights of a run to a file.

    Args:
        reproduce: the command that repeats the run, which says where its store is; "" where there is none.
        target: "" of a run with one target. arm: "" for the one that won.
    """
    words = shlex.split(reproduce)
    store = words[words.index("--store") + 1 :][:1] if "--store" in words else [] if words else ["STORE"]
    named = [*(["--arm", arm] if arm else []), *(["--target", target] if target else [])]
    parts = ["hpt-study", "export", run, *named, "--to", to, "-o", file]
    enter = shlex.join(words[: words.index("&&")]) + " && " if "&&" in words else ""
    return enter + shlex.join([*parts, *(["--store", *store] if store else [])])
