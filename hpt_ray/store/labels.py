"""The name and the note that a user gives a run: a small file in its folder, which may change at any time."""

from __future__ import annotations

from typing import Annotated
from unicodedata import normalize

from pydantic import ConfigDict, Field, ValidationError

from hpt_ray.core import registry
from hpt_ray.core.errors import StoreError, StudyError, UnknownNameError
from hpt_ray.core.values import Frozen
from hpt_ray.store.store import Store

LABEL = "label.json"


class Label(Frozen):
    """What a user calls a run, and what she wants to remember of it; both may be empty."""

    model_config = ConfigDict(extra="ignore")

    name: Annotated[str, Field(pattern=r"^(\w[\w. -]{0,99})?$")] = ""
    note: str = ""


def label(store: Store, run: str) -> Label:
    """The label of a run; an empty one where it has none, or a damaged one."""
    path = f"runs/{run}/{LABEL}"
    try:
        return Label.model_validate_json(store.read(path)) if store.exists(path) else Label()
    except (StoreError, ValidationError):
        return Label()


def checked(store: Store, run: str, name: str | None, note: str | None) -> Label:
    """The label of a run with another name or note; None leaves what it has.

    Raises:
        StudyError: for a name that cannot be one, that means another run already, or that is a study's: it would
            mean this run where the study's latest one is asked for.
    """
    if name is not None:
        name = "" if name == run else normalize("NFC", name)  # é is one character or two, by the keyboard
    given = {key: value for key, value in (("name", name), ("note", note)) if value is not None}
    try:
        new = Label.model_validate(label(store, run).model_dump() | given)
    except ValidationError as error:
        raise StudyError(
            f"{name!r} is no name for a run: use up to 100 letters, digits, spaces and . _ -, the first a letter, a "
            "digit or _."
        ) from error
    if new.name == study_of(run) or new.name in registry.names("studies"):
        raise StudyError(f"{new.name!r} is a study, and so means its latest run: choose another name.")
    others = meant(store, new.name) - {run} if new.name else set()
    if others:
        raise StudyError(f"{new.name!r} already means run {min(others)}: choose another name.")
    return new


def write(store: Store, run: str, new: Label) -> None:
    """Replace the label of a run. Raises StoreError if it cannot be written."""
    path = f"runs/{run}/{LABEL}"
    if new == Label():
        store.remove(path)
    else:
        store.write_json(path, new.model_dump())


def meant(store: Store, text: str) -> set[str]:
    """The runs that a user may mean: the one of this id or, if there is none, those of this name, or of this study."""
    known, name = store.runs(), normalize("NFC", text)
    if text in known:
        return {text}
    if not name:  # of an unset variable in a shell; most runs have no name
        return set()
    return {run for run in known if label(store, run).name == name} or {run for run in known if study_of(run) == text}


def latest(store: Store, text: str) -> str:
    """The run of this id or name, or the latest one of the study of this name.

    Raises:
        UnknownNameError: if there is none. StoreError: if one of several is damaged.
    """
    runs = meant(store, text)
    if not runs:
        known = store.runs()
        raise UnknownNameError("run", text, known | ({label(store, run).name for run in known} - {""}))
    return max(runs, key=lambda run: store.manifest(run).started) if len(runs) > 1 else runs.pop()


def study_of(run: str) -> str:
    """The name of a run's study, from its id."""
    return run.rsplit("-", 1)[0]
