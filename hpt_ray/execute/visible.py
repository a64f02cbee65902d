"""What every machine that runs stages must see: the store, and each file and folder that the study names.

A machine that lacks one would fail the units that it gets, one after the other and fast. So the command writes a file
into the store and notes what lies at each path, and every worker compares before it serves.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError, StudyError
from hpt_ray.core.paths import path_of
from hpt_ray.core.values import Frozen
from hpt_ray.data import patterns
from hpt_ray.spec.grid import data_of, python_files_of, recipes_of
from hpt_ray.spec.study import Study, Weights
from hpt_ray.store.store import Store

#: How many names in a folder are compared: listing a million takes minutes on a network file system.
NAMES = 16


class Visible(Frozen):
    """What the machine of the command sees.

    Attributes:
        store: its path or address. token: a file in it.
        paths: of each file its size in bytes, of each folder the names of a few that lie in it.
    """

    store: str
    token: str
    paths: dict[str, int | tuple[str, ...]]


def paths_of(study: Study) -> tuple[str, ...]:
    """The paths of data, weights and Python files of a study that exist, absolute; of a pattern its fixed folder."""
    named = [*data_of(study), *(recipe.source for recipe in recipes_of(study) if isinstance(recipe, Weights))]
    places = filter(None, map(_place, named + python_files_of(study)))
    return tuple(sorted({str(place.absolute()) for place in places}))


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


@contextlib.contextmanager
def shown(store: Store, run: str, paths: Iterable[str]) -> Iterator[Visible]:
    """What this machine sees, with a file in the store that is removed at the end.

    Args:
        run: a name that no other run has. paths: absolute ones that exist here.

    Raises:
        StoreError: if the store cannot be written.
    """
    token = f"locks/{run}.seen"
    store.write(token, run.encode())
    try:
        yield Visible(store=store.where, token=token, paths={path: _mark(Path(path)) for path in paths})
    finally:
        with contextlib.suppress(StoreError):  # a store that fails now has failed the stages, too
            store.remove(token)


def check(visible: Visible) -> Store:
    """The store, after a comparison with what this machine sees.

    Raises:
        StudyError: names this machine, what it does not see, and what to do.
    """
    here, store = f"node {socket.gethostname()}", Store(visible.store, create=False)
    if not store.exists(visible.token):
        raise StudyError(
            f"{here} does not see the store {store.shown} of this command: with --store name one that every node sees, "
            "on a shared file system or in a bucket (s3://...)."
        )
    for path, mark in visible.paths.items():
        try:
            same = _lies_there(Path(path), mark)
        except OSError as error:
            raise StudyError(f"{here} cannot read {path} ({error.strerror}): allow it there.") from error
        if not same:
            what = "has something else at" if Path(path).exists() else "does not see"
            raise StudyError(
                f"{here} {what} {path}: put it on a file system that every node sees, or copy it to that path there."
            )
    return Store(visible.store)


def _mark(path: Path) -> int | tuple[str, ...]:
    if not path.is_dir():
        return path.stat().st_size
    with os.scandir(path) as entries:
        names = (entry.name for entry in entries if not entry.name.startswith("."))  # those may be of one machine alone
        return tuple(itertools.islice(names, NAMES))


def _lies_there(path: Path, mark: int | tuple[str, ...]) -> bool:
    if isinstance(mark, int):
        return path.is_file() and path.stat().st_size == mark
    return path.is_dir() and all((path / name).exists() for name in mark)
