"""An image list: a text file with one ``path[,label[,split]]`` per line, paths relative to the list.

The list is a ``.csv``, ``.tsv`` or ``.txt``, separated by commas, semicolons, tabs, upright strokes or blanks. A
header names its columns, in any order (see ``_columns``); a column ``group`` says which images belong together. Empty
lines and lines that begin with # are passed over.
Labels are class names (in numerical order if all are whole numbers); an empty label marks an image without one.

A path stays inside the list's folder: ``../`` that leads out of it and absolute paths elsewhere are refused, since a
list may come from someone else. Links in the folder are followed, as in a folder of images, since they are its owner's:
images that are kept elsewhere are listed by way of a link beside the list (``ln -s /data/imagenet/train train``).

Several labels an image are written ``"1,0,-1"``, in quotes: for each class 1 (has it), 0 (has it not) or -1 (unknown;
so is an empty one). The classes are named by a header such as ``path,"cat,dog,bird",split``, or else numbered.
"""

from __future__ import annotations

import functools
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data import cache, remembered
from hpt_ray.data.classes import LONGEST, too_long
from hpt_ray.data.datasets._columns import Line, table
from hpt_ray.data.records import MARKS, SPELLINGS, Example, Records, Source, path_argument


@dataclass(frozen=True)
class _Line:
    path: Path
    label: str
    split: str | None
    name: str = ""
    group: str | None = None


def dataset(argument: str | None) -> Source:
    """An image list."""
    path = path_argument("image_list", argument)
    memory = remembered.memory("image_list", path)
    try:
        # Before the list is read, so that one which changes meanwhile is not taken for what was read.
        content = hashlib.blake2b(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Mend or remove it.") from error
    look = functools.partial(_look, path, content, memory)
    return memory.recall(_state(path, content, memory.names), look) or look()


def _state(path: Path, content: str, names: Iterable[str]) -> remembered.State | None:
    """The state of a list with some content, and of the files that it names."""
    folder = str(path.parent)
    return remembered.state_of_files((f"{folder}{os.sep}{name}" for name in names), content)


def _look(path: Path, content: str, memory: remembered.Memory) -> Source:
    listing = table(path)
    places = _Places(path.parent)
    names = listing.classes
    lines = [_line(f"{path}, line {line.number}", places, line) for line in listing.lines]
    if not lines:
        raise DataError(
            f"{path} lists no images; write one 'path,label,split' per line (label and split may be left out)."
        )
    folder = f"{path.parent}{os.sep}"
    listed = [str(line.path).removeprefix(folder) for line in lines]  # relative_to takes ten times as long
    state = _state(path, content, listed)
    # The list itself is hashed too: it holds the labels and the splits.
    files = [path, *dict(zip(listed, (line.path for line in lines), strict=True)).values()]
    fingerprint = cache.fingerprint(files, path.parent)
    if not listing.usual:  # what the cache may hold of it from before columns had names is something else
        fingerprint = content_id(["columns", fingerprint], length=32)
    if listing.recognised:  # as is what it holds from before all columns were looked at for splits
        fingerprint = content_id(["splits", fingerprint], length=32)
    if listing.grouped:  # and as what it holds from before groups were read
        fingerprint = content_id(["groups", fingerprint], length=32)
    several = any(_marked(line.label) for line in lines)
    if several:
        # Not the files alone: what the cache may hold of them from before such labels were read is something else.
        fingerprint = content_id(["multilabel", fingerprint], length=32)
    source = Source(
        path.stem,
        fingerprint,
        lambda: _multilabel(lines, names) if several else _records(lines),
        given_by="its column of splits",
        remarks=listing.remarks,
        grouped_by=f"the column {listing.grouped!r}" if listing.grouped else "",
        folder=str(path.parent.absolute()),
    )
    memory.keep(state, source, listed)
    return source


def _marked(label: str) -> bool:
    """Whether a label is one mark for each of several classes."""
    return "," in label and all(mark.strip() in MARKS for mark in label.split(","))


def _multilabel(lines: Sequence[_Line], names: Sequence[str]) -> Records:
    """Images with several labels each; without names the classes are numbered."""
    count = len(names) or next(line.label.count(",") + 1 for line in lines if _marked(line.label))
    examples = []
    for line in lines:
        if line.label and (not _marked(line.label) or line.label.count(",") + 1 != count):
            raise DataError(
                f"{line.path} has the label {line.label!r}, which is not {count} of 1, 0 and -1 separated by "
                "commas, one for each class."
            )
        targets = tuple(MARKS[mark.strip()] for mark in line.label.split(",")) if line.label else None
        examples.append(_example(line, None, targets))
    return Records(len(examples), tuple(names) or tuple(map(str, range(count))), examples, multilabel=True)


def _records(lines: list[_Line]) -> Records:
    used = {line.label for line in lines if line.label}
    numeric = all(label.isdecimal() for label in used)
    classes = tuple(sorted(used, key=lambda label: (int(label) if numeric else 0, label)))
    index = {name: i for i, name in enumerate(classes)}
    examples = [_example(line, index.get(line.label)) for line in lines]
    return Records(len(examples), classes, examples)


def _example(line: _Line, label: int | None, targets: tuple[int, ...] | None = None) -> Example:
    return Example(line.path, str(line.path), label, line.split, targets, line.name, line.group)


class _Places:
    """Where the images of a list are. A folder is resolved once for all its files, in one reading of the list alone:
    links may change."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base.resolve()
        self._known: dict[str, str | None] = {}

    def path(self, name: str) -> Path | None:
        """The path, below ``base``, of a file that a list names; None if it leaves the list's folder.

        Raises:
            OSError, RuntimeError, ValueError: for what cannot be followed; FileNotFoundError where there is no file.
        """
        parent, _, last = name.rpartition("/")
        if last not in ("", ".", "..") and not name.startswith("/") and self._is_regular(name):
            if parent not in self._known:
                self._known[parent] = self._folder(parent)
            if (place := self._known[parent]) is not None:
                return Path(f"{place}{os.sep}{last}")
        image = (self.base / name).resolve()
        # A link leads out of the folder by its owner's will, a path by the list's.
        if not image.is_relative_to(self.folder):
            image = Path(os.path.normpath(self.folder / name))
        if not image.is_relative_to(self.folder):
            return None
        if not image.is_file():
            raise FileNotFoundError(name)
        return self.base / image.relative_to(self.folder)

    def _is_regular(self, name: str) -> bool:
        """Whether a name is that of a file which is no link."""
        try:
            return stat.S_ISREG(os.lstat(f"{self.base}{os.sep}{name}").st_mode)
        except (OSError, ValueError):
            return False

    def _folder(self, parent: str) -> str | None:
        """The path of a folder below ``base``; None if it leads out of the list's folder by more than links."""
        real = (self.base / parent).resolve()
        if not real.is_relative_to(self.folder):
            if ".." in Path(parent).parts:
                return None
            real = self.folder / parent
        return str(self.base / real.relative_to(self.folder))


def _line(where: str, places: _Places, listed: Line) -> _Line:
    """A line whose path is checked; ``where`` names the line in an error."""
    name, label, split = listed.path, listed.label, listed.split
    if "\\" in name and not (places.base / name).is_file():
        name = name.replace("\\", "/")  # as Windows writes it
    try:
        image = places.path(name)
    except FileNotFoundError as error:
        raise DataError(f"{where}: there is no file {name!r} in {places.base}. Check the path.") from error
    # A loop of links; RuntimeError is what Python before 3.13 makes of it.
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{where}: {name!r} cannot be followed ({error}). Mend or remove the line.") from error
    if image is None:
        raise DataError(f"{where}: {name!r} leaves the list's folder {places.base}; link what lies elsewhere into it.")
    if label.startswith("-") and label[1:].isdecimal():
        raise DataError(f"{where}: label {label} is out of range; leave it empty for an image without a label.")
    if len(label) > LONGEST and not _marked(label):
        raise DataError(f"{where}: {too_long(label)}.")
    if split and split.lower() not in SPELLINGS:
        raise DataError(f"{where}: split {split!r} is none of train, val, test.")
    return _Line(image, label, SPELLINGS[split.lower()] if split else None, name, listed.group or None)
