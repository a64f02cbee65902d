"""Folder plural, function singular: the file name is the registration.

``studies/augment_ablation.py`` defines ``study``; ``spec/policies/crop_only.py`` defines ``policy``. Adding one is
adding a file. A path to a Python file works wherever a name does.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.identity import content_id, file_hash
from hpt_ray.core.paths import path_of

PACKAGE = Path(__file__).parents[1]

#: kind (the folder) -> what each of its files defines, and where the folder stands
SINGULAR = {
    "studies": "study",
    "dashboards": "dashboard",
    "policies": "policy",
    "datasets": "dataset",
    "verdicts": "verdict",
    "figures": "figure",
    "methods": "method",
    "backbones": "backbone",
    "probes": "probe",
    "backends": "backend",
    "metrics": "metric",
}
PARENT = {
    "policies": "spec",
    "datasets": "data",
    "verdicts": "analysis",
    "figures": "report",
    "methods": "training",
    "backbones": "training",
    "probes": "training",
    "backends": "execute",
    "metrics": "core",
}


def folder(kind: str) -> Path:
    """Where a kind's files stand: studies and dashboards at the top of a checkout, in the package once installed."""
    inside = PACKAGE / PARENT.get(kind, "") / kind
    if kind in ("studies", "dashboards") and not inside.is_dir():
        return PACKAGE.parent / kind
    return inside


def names(kind: str) -> list[str]:
    """The names of a kind, sorted: its files, and its folders that are packages."""
    files, packages = folder(kind).glob("*.py"), folder(kind).glob("*/__init__.py")
    found = [path.stem for path in files] + [path.parent.name for path in packages]
    return sorted(name for name in found if not name.startswith("_"))


def is_path(name: str) -> bool:
    """Whether a name is meant as a path to a Python file."""
    return name.endswith(".py") or "/" in name or "\\" in name


def code_hash(*names: str) -> str | None:
    """A hash of the Python files among some names, those that are given by path; None where none is."""
    files = [path_of(name) for name in names if is_path(name)]
    hashes = [file_hash(path) for path in files if path.is_file()]
    return content_id(hashes) if hashes else None


def check(kind: str, name: str) -> None:
    """Raise UnknownNameError for a name that nothing answers to, without importing anything."""
    if not is_path(name) and name not in names(kind):
        raise UnknownNameError(SINGULAR[kind], name, names(kind))


def module(kind: str, name: str) -> ModuleType:
    """Import the file behind a name or a path.

    Raises:
        UnknownNameError: if there is no such name. StudyError: if a file is missing, broken, or defines no such thing.
    """
    singular = SINGULAR[kind]
    if is_path(name):
        return _from_file(singular, path_of(name))
    check(kind, name)
    if kind in ("studies", "dashboards"):
        return _from_file(singular, folder(kind) / f"{name}.py")
    return importlib.import_module(".".join(("hpt_ray", *filter(None, [PARENT.get(kind)]), kind, name)))


def load(kind: str, name: str) -> Any:
    """What the file behind ``name`` registers: ``load("policies", "crop_only")`` is its ``policy``.

    Raises:
        UnknownNameError: lists what exists and the nearest match. StudyError: for a file that cannot be used.
    """
    singular = SINGULAR[kind]
    found = module(kind, name)
    if not hasattr(found, singular):
        raise StudyError(f"{name} defines no `{singular}`; a file in {kind}/ must define one.")
    return getattr(found, singular)


def summary(kind: str, name: str) -> str:
    """The first line of the docstring of the file behind a name, read without importing it."""
    path = path_of(name) if is_path(name) else folder(kind) / f"{name}.py"
    if not path.exists():  # a package
        path = path.with_suffix("") / "__init__.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]


def _from_file(singular: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise StudyError(f"no {singular} at {path}: there is no such file. Check the path.")
    # Named after its path so that two files of the same stem never answer for each other.
    name = f"hpt_ray_{singular}_{path.stem}_{content_id(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    except StudyError:
        raise
    except (Exception, SystemExit) as error:
        raise StudyError(f"{path} cannot be imported: {type(error).__name__}: {error}. Mend the file.") from error
    return loaded
