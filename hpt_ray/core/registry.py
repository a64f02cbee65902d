"""Folder plural, function singular: the file name is the registration.

``studies/augment_ablation.py`` defines ``study``; ``spec/policies/crop_only.py`` defines ``policy``. Adding one is
adding a file. A path to a Python file works wherever a name does, and an installed package may add files (see
``plugins``).
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from hpt_ray.core import plugins
from hpt_ray.core.errors import StudyError, UnknownNameError
from hpt_ray.core.identity import content_id, file_hash
from hpt_ray.core.paths import path_of
from hpt_ray.core.user_code import check_alone, import_file, reason

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
    "writers": "writer",
}
#: What is no function but a value.
VALUES = ("policies", "dashboards", "figures", "metrics")
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
    "writers": "report",
}


def folder(kind: str) -> Path:
    """Where a kind's files stand: studies and dashboards at the top of a checkout, in the package once installed."""
    inside = PACKAGE / PARENT.get(kind, "") / kind
    if kind in ("studies", "dashboards") and not inside.is_dir():
        return PACKAGE.parent / kind
    return inside


def names(kind: str) -> list[str]:
    """The names of a kind, sorted: its files, and its folders that are packages, here and in installed plug-ins."""
    return sorted({name for place in _folders(kind).values() for name in _names(place)})


def is_path(name: str) -> bool:
    """Whether a name is meant as a path to a Python file."""
    return name.endswith(".py") or "/" in name or "\\" in name


def name_of(name: str) -> str:
    """What something that is given by name or by path is called in results: its name, or that of its file."""
    return Path(name).stem if name.endswith(".py") else name


def beside(file: Path, name: str) -> str:
    """A name as it stands in a file: a relative path there starts from the file's folder."""
    return str(file.parent / name) if name.endswith(".py") else name


def family(kind: str, name: str) -> tuple[str, str | None]:
    """``FAMILY/NAME``, where a file of that kind defines the whole family, as both; any other name or path as it is."""
    first, slash, member = name.partition("/")
    if slash and not name.endswith(".py") and first in names(kind):
        return first, member
    return name, None


def code_hash(*named: tuple[str, str]) -> str | None:
    """A hash of the Python behind some (kind, name) that is not this package's own; None where all of it is.

    Of a path it is that file; of an installed plug-in all files of its package, which may import each other.

    Raises:
        StudyError: for a path to a file that imports another one beside it.
    """
    hashes = {}
    for kind, name in named:
        own, _ = family(kind, name)
        if is_path(own) and path_of(own).is_file():
            check_alone(path_of(own))
            files = [path_of(own)]
        else:
            files = _of_plugins(kind, own)
        if files:
            hashes[kind] = [file_hash(path) for path in files]
    return content_id(hashes) if hashes else None


def check(kind: str, name: str) -> None:
    """Raise UnknownNameError for a name that nothing answers to, without importing anything."""
    if not is_path(name):
        _home(kind, name)


def file(kind: str, name: str) -> Path:
    """The Python file behind a name or a path.

    Raises:
        UnknownNameError: if there is no such name. StudyError: if there is no such file.
    """
    if is_path(name):
        if not path_of(name).is_file():
            raise StudyError(f"no {SINGULAR[kind]} at {path_of(name)}: there is no such file. Check the path.")
        return path_of(name)
    place = _home(kind, name)[1]
    single = place / f"{name}.py"
    return single if single.is_file() else place / name / "__init__.py"


def module(kind: str, name: str) -> ModuleType:
    """Import the file behind a name or a path.

    Raises:
        UnknownNameError: if there is no such name. StudyError: if a file is missing, broken, or defines no such thing.
    """
    if is_path(name):
        return import_file(file(kind, name))
    package, place = _home(kind, name)
    if package in ("hpt_ray.studies", "hpt_ray.dashboards"):  # which lie outside the package in a checkout
        return import_file(place / f"{name}.py")
    try:
        return importlib.import_module(f"{package}.{name}")
    except StudyError:
        raise
    except Exception as error:
        if package.startswith("hpt_ray."):
            raise
        raise StudyError(f"{SINGULAR[kind]} {name} of {package} cannot be imported: {reason(error)}.") from error


def load(kind: str, name: str, expected: type | None = None) -> Any:
    """What the file behind ``name`` registers: ``load("policies", "crop_only")`` is its ``policy``.

    Args:
        expected: of what type it must be, for what is a value and no function.

    Raises:
        UnknownNameError: lists what exists and the nearest match. StudyError: for a file that cannot be used.
    """
    singular = SINGULAR[kind]
    loaded = module(kind, name)
    if not hasattr(loaded, singular):
        raise StudyError(f"{name} defines no `{singular}`; a file in {kind}/ must define one.")
    value = getattr(loaded, singular)
    if expected is not None and not isinstance(value, expected):
        what = expected.__name__
        raise StudyError(f"{name}: `{singular}` is no {what} but {value!r}: write {singular} = {what}(...).")
    if kind not in VALUES and not callable(value):
        raise StudyError(f"{name}: `{singular}` is not a function but {value!r}: write def {singular}(...).")
    return value


def summary(kind: str, name: str) -> str:
    """The first line of the docstring of the file behind a name, read without importing it."""
    text = ast.get_docstring(ast.parse(file(kind, name).read_text(encoding="utf-8"))) or ""
    return text.split("\n", 1)[0]


def _folders(kind: str) -> dict[str, Path]:
    """Every folder of a kind by the name of its package: this package's own first, then those of plug-ins."""
    own = ".".join(filter(None, ("hpt_ray", PARENT.get(kind), kind)))
    return {own: folder(kind)} | {f"{name}.{kind}": place / kind for name, place in plugins.packages().items()}


def _of_plugins(kind: str, name: str) -> list[Path]:
    """The Python files of the installed plug-ins that have a name; none for a name of this package."""
    packages = [place for place in plugins.packages().values() if name in _names(place / kind)]
    return [path for package in packages for path in sorted(package.rglob("*.py"))]


def _names(place: Path) -> set[str]:
    files, packages = place.glob("*.py"), place.glob("*/__init__.py")
    listed = [path.stem for path in files] + [path.parent.name for path in packages]
    return {name for name in listed if not name.startswith("_")}


def _home(kind: str, name: str) -> tuple[str, Path]:
    """The package and the folder in which a name stands.

    Raises:
        UnknownNameError: if it stands in none. StudyError: if it stands in several.
    """
    homes = [(package, place) for package, place in _folders(kind).items() if name in _names(place)]
    if not homes:
        raise UnknownNameError(SINGULAR[kind], name, names(kind))
    if len(homes) > 1:
        where = " and ".join(package for package, _ in homes)
        raise StudyError(f"the {SINGULAR[kind]} {name!r} is in {where}: uninstall one, or give the path to its file.")
    return homes[0]
