"""The paper's 16 data sets by name, such as ``paper:resisc``, from folders below ``HPT_DATA`` (default ``./data``).

Nothing is downloaded: several of their homes want a registration. A data set lies in its own folder either with image
lists, one per split and named as the paper's authors name them, with lines ``PATH LABEL`` and paths relative to that
folder, or as a folder of images or Parquet files. ``HPT_DATA`` must name the same folder on every node.

Several labels an image are read from the lists, where they stand as ``1.0,0.0,-1.0,``: as in the
authors' configuration of CheXpert, -1 and an empty one count as 0. Without lists such a set serves pretraining alone.
The published channel statistics are not used either; a data set computes its own, as the protocol asks,
and so does not inherit a slip (xView was normalised with RESISC45's).
"""

from __future__ import annotations

import functools
import os
from dataclasses import replace
from pathlib import Path

from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.core.identity import content_id
from hpt_ray.core.metric import DEFAULT
from hpt_ray.core.paths import path_of
from hpt_ray.data import cache
from hpt_ray.data.datasets._columns import Line
from hpt_ray.data.datasets._paper import ENTRIES, Entry
from hpt_ray.data.datasets.image_list import _Line, _line, _marked, _multilabel, _Places, _records
from hpt_ray.data.records import MARKS, SPLITS, Records, Source, source


def dataset(argument: str | None) -> Source:
    """One of ``ENTRIES``.

    Raises:
        UnknownNameError: for a name that is none of them. DataError: if it is not there, in one line that says where
            it was looked for, where to get it and how to lay it out; or if it is there and not complete.
    """
    entry = ENTRIES.get(argument or "")
    if entry is None:
        raise UnknownNameError("data set of the paper", argument or "", ENTRIES)
    root = data_root() / entry.folder
    folder = root / entry.images
    try:
        listed = (root / entry.lists.format("train")).is_file()
        exists = listed or any(folder.iterdir())
    except OSError:
        exists = False
    if not exists:
        raise DataError(
            f"no data set paper:{entry.name} in {root} (HPT_DATA names the folder above, ./data unless set): get "
            f"{describe(entry)}, and put there {layout(entry)}."
        )
    data_source = _listed(entry, root) if listed else source(str(folder))
    # Not the files alone: the entry says what the labels in them mean and how many there must be.
    meaning = [data_source.fingerprint, DEFAULT[entry.multilabel], entry.classes, entry.names]
    if entry.multilabel and listed:
        meaning.append("multilabel")  # what the cache may hold from before they were read has no labels
    from_lists = "several labels an image, which only the authors' lists give"
    return replace(
        data_source,
        name=entry.name,
        fingerprint=content_id(meaning, length=32),
        read=lambda: _labelled(entry, root, data_source.read()),
        labels=from_lists if entry.multilabel else data_source.labels,
    )


def data_root() -> Path:
    """The folder that holds the data sets' folders."""
    return path_of(os.environ.get("HPT_DATA") or "data")


def describe(entry: Entry) -> str:
    """What a data set is and where it is to be had, in half a line."""
    labels = "several labels an image" if entry.multilabel else ""
    sizes = [f"{size:,} {split}" for split in SPLITS if (size := getattr(entry.sizes, split))]
    facts = "; ".join(filter(None, [f"{entry.classes} classes", labels, ", ".join(sizes), entry.licence]))
    return f"{entry.title} ({facts}) from {entry.home}" + (f" ({entry.hint})" if entry.hint else "")


def layout(entry: Entry) -> str:
    """How a data set is to be laid out in its folder, in half a line."""
    lists = ", ".join(entry.lists.format(split) for split in SPLITS)
    folders = f"{entry.images}/" if entry.images else "the folder itself"
    single = not entry.multilabel
    kind = "class folders" if single else "images, for pretraining alone,"
    return (
        f"its images and the lists {lists} with lines 'PATH LABEL'{'' if single else ', a label being 1,0,...'} (val "
        f"may be left out), or else {kind} in {folders}, below train/, val/ and test/ where it has splits"
    )


def _listed(entry: Entry, root: Path) -> Source:
    """Images from the authors' lists, by way of ``image_list``."""
    lists = {split: root / entry.lists.format(split) for split in SPLITS}
    if not lists["test"].is_file():
        raise DataError(f"{lists['train']} is there but {lists['test']} is not; add it, with lines 'PATH LABEL'.")
    places, lines = _Places(root), []
    for split, path in lists.items():
        for number, text in enumerate(_text(path).splitlines() if path.is_file() else (), 1):
            if words := text.rsplit(maxsplit=1):
                name, label = (words[0], words[1]) if len(words) == 2 else (words[0], "")
                listed = Line(number, name, _named(entry, label), split)
                lines.append(_line(f"{path}, line {number}", places, listed))
    files = [*filter(Path.is_file, lists.values()), *dict.fromkeys(line.path for line in lines)]
    read = functools.partial(_all_labels, entry) if entry.multilabel else _records
    return Source(
        entry.name,
        cache.fingerprint(files, root),
        lambda: read(lines),
        given_by="the authors' lists",
        folder=str(root.absolute()),
    )


def _all_labels(entry: Entry, lines: list[_Line]) -> Records:
    """Several labels an image; the lists have no unknown ones."""
    known = [
        replace(line, label=",".join("1" if MARKS[mark.strip()] == 1 else "0" for mark in line.label.split(",")))
        if _marked(line.label)
        else line
        for line in lines
    ]
    return _multilabel(known, entry.names or tuple(map(str, range(entry.classes))))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as an image list ({error}); write lines 'PATH LABEL'.") from error


def _named(entry: Entry, label: str) -> str:
    """The name behind a number, where the names are known."""
    number = int(label) if label.isdecimal() and len(label) <= 4 else -1
    return entry.names[number] if 0 <= number < len(entry.names) else label


def _labelled(entry: Entry, root: Path, records: Records) -> Records:
    """The images with one label each or, where there are several, with those or none.

    Raises:
        DataError: for a data set of the paper's name that has not the paper's classes.
    """
    if entry.multilabel and not records.multilabel:
        return Records(records.count, (), (replace(example, label=None) for example in records.examples))
    if records.classes and len(records.classes) != entry.classes:
        raise DataError(
            f"paper:{entry.name} has {len(records.classes)} classes in {root} and should have {entry.classes}: "
            f"complete it, or put there {layout(entry)}."
        )
    return records
