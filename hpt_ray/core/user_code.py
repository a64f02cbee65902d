"""Python files that are given by path: how one is imported, what it imports, and which line an error comes from."""

from __future__ import annotations

import ast
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from hpt_ray.core import plugins
from hpt_ray.core.errors import StudyError, explain

#: What the module names of such files begin with.
PREFIX = "hpt_ray_file_"


def import_file(path: Path) -> ModuleType:
    """Import a Python file.

    Raises:
        StudyError: names the file, and the line at which it stopped.
    """
    from hpt_ray.core.identity import content_id  # it imports numpy, which the words of --help do without

    # Named after its path so that two files of the same stem never answer for each other.
    name = f"{PREFIX}{path.stem}_{content_id(str(path.resolve()))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StudyError(f"{path} is no Python file: give it a name that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except StudyError:
        raise
    except (Exception, SystemExit) as error:
        raise StudyError(f"{path} cannot be imported: {reason(error)}. Mend the file.") from error
    return module


def check_alone(path: Path) -> None:
    """Refuse a file that imports a module beside it: the file's hash would not change with that module.

    Raises:
        StudyError: names the module and the line.
    """
    try:
        parts = ast.walk(ast.parse(path.read_bytes()))
    except (SyntaxError, ValueError):
        return  # importing the file says where it is broken
    for part in parts:
        if not isinstance(part, ast.Import | ast.ImportFrom):
            continue
        if isinstance(part, ast.ImportFrom):
            relative, imported = "." * part.level, [part.module or part.names[0].name]
        else:
            relative, imported = "", [alias.name for alias in part.names]
        for name in imported:
            if relative or _lies_beside(path, name.partition(".")[0]):
                raise StudyError(
                    f"{path} imports {relative}{name} in line {part.lineno}, which lies beside it: an edit there would "
                    f"not be noticed, and finished stages would be kept. Move what it needs into {path.name}."
                )


def _lies_beside(path: Path, name: str) -> bool:
    """Whether a file's absolute import means a module in its own folder, and not one that is installed elsewhere."""
    module, package = path.resolve().with_name(f"{name}.py"), path.resolve().with_name(name)
    if name == "hpt_ray" or not (module.exists() or package.exists()):
        return False
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # such as for __main__
        spec = None
    if spec is None:
        return True
    places = [Path(place).resolve() for place in (spec.origin, *(spec.submodule_search_locations or ())) if place]
    return any(place == module or place.is_relative_to(package) for place in places)


def reason(error: BaseException) -> str:
    """What an error says, and the line of the user's code that it comes from: "TypeError: ... (mine.py, line 3)"."""
    if isinstance(error, ValidationError):  # as text it has several lines and an address
        text = f"{error.title}: {explain(error)}"
    else:
        text = f"{type(error).__name__}: {error}"
    where = place(error)
    return text if where is None or isinstance(error, SyntaxError) else f"{text} ({where})"  # a SyntaxError names both


def place(error: BaseException) -> str | None:
    """The last line that an error passed in the user's code: "mine.py, line 3"; None if it passed none."""
    where = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = frame.f_globals.get("__name__", "")
        if module.startswith(PREFIX) or module.partition(".")[0] in plugins.names():
            where = f"{Path(frame.f_code.co_filename).name}, line {line}"
    return where
