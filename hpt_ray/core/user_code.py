"""Python files that are given by path: how one is imported, and which line of one an error comes from."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from pydantic import ValidationError

from hpt_ray.core import plugins
from hpt_ray.core.errors import StudyError, explain
from hpt_ray.core.identity import content_id

#: What the module names of such files begin with.
PREFIX = "hpt_ray_file_"


def import_file(path: Path) -> ModuleType:
    """Import a Python file.

    Raises:
        StudyError: names the file, and the line at which it stopped.
    """
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
