"""The files that a large data set is cut into: where they lie, which split each belongs to, and which are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.paths import path_of
from hpt_ray.data import patterns
from hpt_ray.data.datasets import _walk
from hpt_ray.data.datasets._column_names import may_be_split
from hpt_ray.data.records import path_argument, split_name

#: As many folders, or missing shards, are named.
NAMED = 5

#: How the hub numbers shards, ``train-00000-of-00002``, and how others do, ``train-0000``.
_OF = re.compile(r"^(?P<name>.*?)(?P<number>\d+)-of-(?P<total>\d+)$")
_PLAIN = re.compile(r"^(?P<name>.*?)(?P<number>\d+)$")


@dataclass(frozen=True)
class Shards:
    """The files of a data set.

    Attributes:
        name: For display.
        folder: What the names of the files are relative to.
        files: In the order in which they are read.
        beside: How many images lie beside them, which are not read.
    """

    name: str
    folder: Path
    files: tuple[Path, ...]
    beside: int = 0

    def splits(self) -> list[str | None]:
        """The split of each file, by its name or the folders on the way to it."""
        return [split(file, self.folder) for file in self.files]

    def remarks(self) -> tuple[str, ...]:
        """Which shards are missing, by the numbers in the names of the others, and which images are not read."""
        remarks = []
        if missing := gaps(self.files):
            more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
            remarks.append(f"shards are missing, by the numbers of the others: {', '.join(missing[:NAMED])}{more}")
        if self.beside:
            images = "1 image lies" if self.beside == 1 else f"{self.beside:,} images lie"
            remarks.append(f"{images} beside its shards, unread: give such images a folder of their own")
        return tuple(remarks)


def shards(name: str, argument: str | None, suffix: str) -> Shards:
    """What ``NAME:PATH`` speaks of: one file, a folder with some, or a pattern.

    Args:
        name: The kind of data set, for an error.
        argument: The path or pattern.
        suffix: Of the files in a folder: those in itself, else in its ``data`` folder, else anywhere below.

    Raises:
        DataError: where there is none, or files of several data sets.
    """
    if argument and patterns.is_pattern(argument):
        files = patterns.files(argument)
        start = patterns.fixed(argument)
        folder = path_of(start if start.endswith("/") else str(Path(start).parent))
        shown = Path(start).name.rstrip("-_. ") if not start.endswith("/") else ""
        return Shards(shown or folder.resolve().name, folder, tuple(files))
    path = path_argument(name, argument)
    if path.is_file():
        return Shards(path.resolve().name.removesuffix(suffix), path.parent, (path,))
    files = _within(path, suffix)
    if not files:
        raise DataError(f"{path} has no *{suffix} files. Check the path.")
    folders = {path, *(file.parent for file in files)}
    beside = sum(_is_image(each) for folder in folders for each in folder.iterdir())
    return Shards(path.resolve().name.removesuffix(suffix), path, tuple(files), beside)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _walk.IMAGES and not path.name.startswith(".")


def _within(folder: Path, suffix: str) -> list[Path]:
    """The files of a folder.

    Raises:
        DataError: where they lie in several folders that are no splits: they are several data sets then.
    """
    for pattern in (f"*{suffix}", f"data/*{suffix}"):
        if paths := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return paths
    paths = _walk.files(folder, suffix)
    places = {tuple(part for part in file.relative_to(folder).parts[:-1] if _is_place(part, suffix)) for file in paths}
    if len(places) > 1:
        named = ", ".join(sorted(str(Path(*place)) for place in places)[:NAMED])
        raise DataError(f"{folder} holds {suffix} files of several data sets ({named}); give the folder of one.")
    return paths


def _is_place(part: str, suffix: str) -> bool:
    """Whether a folder's name tells data sets apart: not ``train``, ``split=train``, ``data`` or ``x.parquet``."""
    return split_name(part) is None and "=" not in part and part != "data" and not part.endswith(suffix)


def split(file: Path, folder: Path) -> str | None:
    """The split that the name of a file speaks of, or one of the folders on the way to it.

    Raises:
        DataError: for a name that speaks of several, and for a folder ``split=...`` that is none of the three.
    """
    *above, name = file.relative_to(folder).parts
    for part in above:
        key, equals, value = part.partition("=")
        if equals and may_be_split(key) and split_name(value) is None:
            raise DataError(f"{file}: {key} {value!r} is none of train, val, test.")
    splits = {split_name(part) for part in above} - {None}
    split_of_name = split_name(Path(name).stem)
    if len(splits | {split_of_name} - {None}) > 1:
        raise DataError(
            f"{file} is named for several splits ({', '.join(sorted(map(str, splits | {split_of_name})))}); rename it."
        )
    return split_of_name or next(iter(splits), None)


def gaps(files: Sequence[Path]) -> list[str]:
    """The names of shards that are missing among files: their numbers have gaps, or are fewer than they say."""
    numbers: dict[tuple[Path, str, str, int, int], set[int]] = {}
    for file in files:
        of = _OF.match(file.stem)
        match = of or _PLAIN.match(file.stem)
        if match is None or not match["name"]:  # 2019.tar and 2021.tar are years
            continue
        total = int(of["total"]) if of else 0
        width = len(match["number"]) if of or match["number"].startswith("0") else 0
        numbers.setdefault((file.parent, match["name"], file.suffix, width, total), set()).add(int(match["number"]))
    missing = []
    for (folder, name, suffix, width, total), present in numbers.items():
        wanted = range(total) if total else range(min(present), max(present))
        if len(wanted) > patterns.MOST or (not total and len(wanted) > 2 * len(present)):
            continue  # numbers that count something else
        ending = f"-of-{total:0{width}}{suffix}" if total else suffix
        missing += [str(folder / f"{name}{number:0{width}}{ending}") for number in wanted if number not in present]
    return missing
