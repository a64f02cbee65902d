"""Installed packages that add files: each names itself in an entry point of the group ``hpt_ray.plugins``.

In its ``pyproject.toml`` the package ``our_lab`` says

    [project.entry-points."hpt_ray.plugins"]
    our_lab = "our_lab"

and ``our_lab/policies/gentle.py`` is then the policy ``gentle``, ``our_lab/studies/ours.py`` the study ``ours``, and so
on for every kind.
"""

from __future__ import annotations

import functools
import importlib.util
from importlib.metadata import entry_points
from pathlib import Path

from hpt_ray.core.errors import StudyError

GROUP = "hpt_ray.plugins"


@functools.cache
def packages() -> dict[str, Path]:
    """The folder of each plug-in by the name that it is imported by; none of them is imported.

    Raises:
        StudyError: for an entry point that names no package.
    """
    folders = {}
    for entry in entry_points(group=GROUP):
        try:
            spec = importlib.util.find_spec(entry.value)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise StudyError(
                f"the installed plug-in {entry.name!r} names the package {entry.value!r}, which is not there: install "
                "it again, or uninstall it."
            )
        folders[entry.value] = Path(next(iter(spec.submodule_search_locations)))
    return folders


def names() -> set[str]:
    """The top-level packages of the plug-ins."""
    return {package.partition(".")[0] for package in packages()}
