"""An image list: a text file with one ``path[,label[,split]]`` per line, paths relative to the list.

The list is CSV (``.csv`` or ``.txt``); a first line that begins with "path" is a header, empty lines and lines that
begin with # are passed over. Labels are class names (in numerical order if all are whole numbers); an empty label marks
an image without one.

A path stays inside the list's folder: ``../`` that leads out of it and absolute paths elsewhere are refused, since a
list may be a stranger's. Links in the folder are followed, as in a folder of images, since they are its owner's: images
that are kept elsewhere are listed by way of a link beside the list (``ln -s /data/imagenet/train train``).

Several labels an image are written ``"1,0,-1"``, in quotes: for each class 1 (has it), 0 (has it not) or -1 (unknown;
so is an empty one). The classes are named by a header such as ``path,"cat,dog,bird",split``, or else numbered.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray import cache
from hpt_ray.errors import DataError
from hpt_ray.identity import content_id
from hpt_ray.records import MARKS, SPELLINGS, Example, Records, Source, path_argument


@dataclass(frozen=True)
class _Line:
    path: Path
    label: str
    split: str | None


def dataset(argument: str | None) -> Source:
    """An image list."""
    path = path_argument("image_list", argument)
    names, lines = _lines(path)
    if not lines:
        raise DataError(
            f"{path} lists no images; write one 'path,label,split' per line (label and split may be left out)."
        )
    # The list itself is hashed too: it holds the labels and the splits.
    files = [path, *dict.fromkeys(line.path for line in lines)]
    found = cache.fingerprint(files, path.parent)
    if any(_marked(line.label) for line in lines):
        # Not the files alone: what the cache may hold of them from before such labels were read is something else.
        return Source(path.stem, content_id(["multilabel", found], length=32), lambda: _multilabel(lines, names))
    return Source(path.stem, found, lambda: _records(lines))


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
                f"{line.path} has the label {line.label!r}, which is not {count} of 1, 0 and -1 parted by commas, one "
                "for each class."
            )
        targets = tuple(MARKS[mark.strip()] for mark in line.label.split(",")) if line.label else None
        examples.append(Example(line.path, str(line.path), split=line.split, targets=targets))
    return Records(len(examples), tuple(names) or tuple(map(str, range(count))), examples, multilabel=True)


def _records(lines: list[_Line]) -> Records:
    used = {line.label for line in lines if line.label}
    numeric = all(label.isdecimal() for label in used)
    classes = tuple(sorted(used, key=lambda label: (int(label) if numeric else 0, label)))
    index = {name: i for i, name in enumerate(classes)}
    examples = [Example(line.path, str(line.path), index.get(line.label), line.split) for line in lines]
    return Records(len(examples), classes, examples)


def _lines(path: Path) -> tuple[list[str], list[_Line]]:
    """The classes that a header names, and the lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read as an image list ({error}); write UTF-8 text, one image per line."
        ) from error
    folder = path.parent.resolve()
    names, found = list[str](), []
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if number == 1 and cells and cells[0].lower() == "path":
            names = [name.strip() for name in cells[1].split(",")] if "," in "".join(cells[1:2]) else []
            continue
        if not any(cells) or cells[0].startswith("#"):
            continue
        found.append(_line(f"{path}, line {number}", path.parent, folder, cells))
    return names, found


def _line(where: str, base: Path, folder: Path, cells: list[str]) -> _Line:
    if len(cells) > 3:
        raise DataError(f"{where} has {len(cells)} columns; write path,label,split and quote what has commas.")
    name, label, split = (*cells, "", "")[:3]
    try:
        image = (base / name).resolve()
        # A link leads out of the folder by its owner's will, a path by the list's.
        if not image.is_relative_to(folder):
            image = Path(os.path.normpath(folder / name))
        inside = image.is_relative_to(folder)
        exists = image.is_file()
    # A loop of links; RuntimeError is what Python before 3.13 makes of it.
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(f"{where}: {name!r} cannot be followed ({error}). Mend or remove the line.") from error
    if not inside:
        raise DataError(f"{where}: {name!r} leaves the list's folder {base}; link what lies elsewhere into it.")
    if not exists:
        raise DataError(f"{where}: there is no file {name!r} in {base}. Check the path.")
    if label.startswith("-") and label[1:].isdecimal():
        raise DataError(f"{where}: label {label} is out of range; leave it empty for an image without a label.")
    if split and split.lower() not in SPELLINGS:
        raise DataError(f"{where}: split {split!r} is none of train, val, test.")
    return _Line(base / image.relative_to(folder), label, SPELLINGS[split.lower()] if split else None)
