"""The settings of a study from a file: TOML, YAML or JSON with a value for each name, or the record of a run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from typing import Any

from hpt_ray.core.errors import StudyError
from hpt_ray.core.paths import path_of


def _yaml(text: str) -> Any:
    import yaml

    try:
        settings, root = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    if isinstance(root, yaml.MappingNode):
        _unique((str(name.value), value) for name, value in root.value)
    return {} if settings is None else settings  # of comments alone, as in TOML


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Names with their values, of which one would be lost silently if a name came twice: a ValueError, as in TOML."""
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise ValueError(f"{name} is there twice")
        values[name] = value
    return values


READERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
    ".json": _json,
}


def read(file: str, study: str) -> dict[str, Any]:
    """The settings in a file, by name.

    Args:
        file: its path. The ``run.json`` of a run has the settings that it was run with.
        study: the study that they are for, as the user names it.

    Raises:
        StudyError: if the file cannot be read, has something else in it, or is of a run of another study.
    """
    if not file:
        raise StudyError("--config is empty: name a file of settings.")
    path = path_of(file)
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on Windows put a byte order mark first
    except OSError as error:
        raise StudyError(f"--config {file} cannot be read ({error.strerror}): name a file of settings.") from error
    except UnicodeDecodeError as error:
        raise StudyError(f"--config {file} is no text in UTF-8 ({error.reason}): save it as UTF-8.") from error
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise StudyError(f"--config {file}: settings are read from {', '.join(READERS)}, so name the file like that.")
    try:
        settings = reader(text)
    except (ValueError, RecursionError) as error:  # of all three formats
        raise StudyError(f"--config {file} is no {path.suffix[1:].upper()} ({error}): mend it.") from error
    if isinstance(settings, dict) and {"study", "plan_id"} <= settings.keys():
        settings = _of_a_run(file, settings["study"], study)
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise StudyError(f"--config {file}: write a value for each name, such as seeds = 5 in TOML.")
    for name, value in settings.items():
        if isinstance(value, (dict, set)):
            raise StudyError(f"--config {file}: {name} has names of its own, but no setting does: write a value.")
    return settings


def _of_a_run(file: str, recorded: Any, study: str) -> Any:
    """The settings in the record of a run."""
    made_from = recorded.get("made_from") if isinstance(recorded, dict) else None
    if made_from is None:
        raise StudyError(f"--config {file}: its run was made by no study function, so it has no settings.")
    if made_from != study:
        raise StudyError(f"--config {file} is of study {made_from}, not of {study}: name that study, or another file.")
    return recorded.get("parameters")
