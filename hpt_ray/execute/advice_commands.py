"""The commands that train and export what an advice recommends."""

from __future__ import annotations

import shlex

from hpt_ray.core.errors import StudyError
from hpt_ray.execute.handed import export_command
from hpt_ray.execute.manifest import reproduce_command
from hpt_ray.spec.candidates import Candidate
from hpt_ray.store.records import Manifest
from hpt_ray.training.weights.counterparts import SUFFIXES, Layout, usual

#: The study that trains what is recommended, and its parameters that the advice has chosen.
TRAINS = "augment_ablation"
CHOSEN = ("base", "target", "arms", "policies", "budgets", "methods", "method", "seeds")


def commands(manifest: Manifest, candidate: Candidate) -> tuple[str, str]:
    """The shell commands that train a candidate, by a seed whose stages the screening has stored, and export it."""
    study, words = manifest.study, shlex.split(manifest.command)
    store, runner = (_option(words, name, usual_value) for name, usual_value in _OPTIONS.items())
    settings = {name: value for name, value in study.parameters.items() if name not in CHOSEN} | {
        "target": study.targets
    }
    arms = ["target"] if candidate.chain == "target" else list(dict.fromkeys(["base", candidate.chain]))
    settings |= {"base": candidate.base} if candidate.base else {}
    settings |= {"arms": arms, "method": candidate.method, "seeds": 1}
    settings |= {"policies": candidate.policy, "iterations": candidate.iterations} if candidate.trains else {}
    trained = study.model_copy(update={"made_from": TRAINS, "parameters": settings})
    try:
        to: Layout = usual(study.backbone)
    except StudyError:  # of a store from elsewhere: this machine may lack the library, or it the network
        to = "safetensors"
    train = reproduce_command(trained, store, runner)
    return train, export_command(manifest.command, TRAINS, "", to, f"advised{SUFFIXES[to]}", candidate.chain)


#: Options of a command that matter to the next one, and what they are where they are not given.
_OPTIONS = {"--store": "hpt-store", "--runner": "ray"}


def _option(words: list[str], name: str, usual_value: str) -> str:
    return words[words.index(name) + 1] if name in words else usual_value
