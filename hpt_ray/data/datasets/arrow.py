"""What Hugging Face's ``save_to_disk`` wrote: a data set, or a dictionary of splits, as Arrow files.

The columns are those of ``parquet``. Other Arrow files, as in the hub's cache, are read like Parquet files: one, a
folder with some, or a pattern.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hpt_ray.core.errors import DataError
from hpt_ray.core.paths import path_of
from hpt_ray.data.datasets._shards import Shards, shards
from hpt_ray.data.datasets.parquet import tables
from hpt_ray.data.records import SPELLINGS, Source

#: What a saved folder has beside its files: the names of its splits, which are folders, or those of its files.
SPLITS, STATE = "dataset_dict.json", "state.json"


def dataset(argument: str | None) -> Source:
    """A saved folder, an Arrow file, or several.

    Raises:
        DataError: where a file is missing or cannot be read.
    """
    folder = path_of(argument) if argument else Path()
    if argument and (folder / SPLITS).is_file():
        parts = [folder / _name(folder / SPLITS, split) for split in _list(folder / SPLITS, "splits")]
        if strange := [part.name for part in parts if part.name.lower() not in SPELLINGS and len(parts) > 1]:
            raise DataError(f"{folder}: its split {strange[0]!r} is none of train, val, test; give the folder of one.")
        files = [file for part in parts for file in _saved(part)]
        return tables(Shards(folder.resolve().name, folder, tuple(files)), named_by="its folders")
    if argument and (folder / STATE).is_file():
        return tables(Shards(folder.resolve().name, folder, tuple(_saved(folder))))
    return tables(shards("arrow", argument, ".arrow"))


def _saved(folder: Path) -> list[Path]:
    """The files of one saved data set: those that it names, since older ones may lie beside them."""
    state = folder / STATE
    entries = _list(state, "_data_files")
    files = [folder / _name(state, entry.get("filename") if isinstance(entry, dict) else entry) for entry in entries]
    if not files:
        raise DataError(f"{state} names no files. Save the data set again.")
    for file in files:
        if not file.is_file():
            raise DataError(f"{state} names {file.name}, which is not there. Fetch it, or save the data set again.")
    return files


def _list(path: Path, key: str) -> list[Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))[key]
        if not isinstance(entries, list):
            raise ValueError(f"{key} is no list")
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be used ({error}). Save the data set again.") from error
    return entries


def _name(path: Path, name: object) -> str:
    """A name that a file gives, which must stay in its folder."""
    if not isinstance(name, str) or Path(name).name != name:
        raise DataError(f"{path} names {name!r}, which is no file in its folder. Save the data set again.")
    return name
