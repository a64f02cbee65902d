"""The paths in a study: of data, of weights and of Python files."""

from __future__ import annotations

from pathlib import Path

from hpt_ray.core import registry
from hpt_ray.core.paths import path_of
from hpt_ray.data import patterns
from hpt_ray.spec.grid import data_of, recipes_of
from hpt_ray.spec.study import Pretraining, Study, Weights


def paths_of(study: Study) -> tuple[str, ...]:
    """All of them that exist, absolute; of a pattern the folder of its files."""
    named = [*data_of(study), *(recipe.source for recipe in recipes_of(study) if isinstance(recipe, Weights))]
    places = filter(None, map(_place, named + python_files_of(study)))
    return tuple(sorted({str(place.absolute()) for place in places}))


def python_files_of(study: Study) -> list[str]:
    """The paths of Python files in a study: data sets, backbone, methods, probes, metric, dashboard."""
    named = {recipe.method for recipe in recipes_of(study) if isinstance(recipe, Pretraining)}
    named |= {evaluation.probe for evaluation in study.evaluations} | {study.metric or "", study.dashboard or ""}
    named.add(registry.family("backbones", study.backbone)[0])
    data = {spec for spec in data_of(study) if spec.partition(":")[0].endswith(".py")}
    return sorted(data.union(filter(registry.is_path, named)))


def _place(text: str) -> Path | None:
    """The path in the name of data, of weights or of a file; None where it names none."""
    name, colon, argument = text.partition(":")
    if colon and name in registry.names("datasets"):
        text = argument
    elif name.endswith(".py"):
        text = name
    if patterns.is_pattern(text):
        start = patterns.fixed(text)
        text = start if start.endswith("/") else str(Path(start).parent)
    path = path_of(text)
    return path if text and path.exists() else None
