"""What a file in ``datasets/`` returns: a fingerprint that is cheap to compute, and images that are not decoded yet.

The fingerprint decides whether the cache already has this content decoded; only if not, the images are read. So a
second load of drawn or downloaded data draws and imports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
from PIL import Image

from hpt_ray.core import registry
from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.core.identity import content_id
from hpt_ray.core.paths import path_of
from hpt_ray.data import patterns
from hpt_ray.data.place import Place

SPLITS = ("train", "val", "test")

#: The file in ``datasets/`` that reads a suffix, and those that can read several files.
FILES = {
    **dict.fromkeys((".txt", ".csv", ".tsv"), "image_list"),
    **{".parquet": "parquet", ".tar": "webdataset", ".arrow": "arrow"},
}
SHARDED = {"parquet", "webdataset", "arrow"}
#: What a path may be, for an error message.
READABLE = (
    "a folder of images or of shards, an image list .txt, .csv or .tsv, .parquet files, WebDataset shards .tar, a data "
    "set saved by Hugging Face's save_to_disk, or a pattern such as 'train-*.parquet'"
)

#: The spellings that public data sets use for the three splits.
SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


#: Encoded bytes, a file, a part of a file, an opened image, or pixels [H, W] or [H, W, C].
Content = bytes | Path | Place | Image.Image | npt.NDArray[Any]


@dataclass(frozen=True)
class Example:
    """One image, not yet decoded.

    Attributes:
        image: See ``Content``.
        where: Names the image in an error.
        label: Index into the classes, or None.
        targets: Of several labels an image: for each class 1 (has it), 0 (has it not) or -1 (unknown), or None.
        split: "train", "val" or "test" where the source gives splits, else None.
        name: Its path in the source, separated by "/", which a rule of groups reads; "" without.
        group: The group that it belongs to where the source, or a rule, says one (see ``groups``); None: it is alone.
    """

    image: Content
    where: str
    label: int | None = None
    split: str | None = None
    targets: tuple[int, ...] | None = None
    name: str = ""
    group: str | None = None


#: The ways to write a target; an empty one is unknown.
MARKS = {"1": 1, "0": 0, "-1": -1, "1.0": 1, "0.0": 0, "-1.0": -1, "": -1}


@dataclass(frozen=True)
class Records:
    """All images of a source, in a fixed order. ``examples`` can be iterated once, so that a large file can be streamed
    (a second ``Source.read`` returns the same examples in the same order).

    ``multilabel``: an image may have several of the classes; its examples have targets and no label.
    """

    count: int
    classes: tuple[str, ...]
    examples: Iterable[Example]
    multilabel: bool = False

    def __post_init__(self) -> None:
        for name in self.classes:
            # A folder's name can be any bytes, but the tables that classes are written to hold text.
            if not name.isascii() and name != name.encode(errors="ignore").decode():
                raise DataError(f"the name of class {name!r} is no text in Unicode; rename it.")


#: What defines the splits of a published data set.
PUBLISHED = "the data set"


@dataclass(frozen=True)
class Source:
    """A data set before decoding.

    Attributes:
        name: Short, for display.
        fingerprint: Of the content: bytes of the files, or name, parameters and version of what is drawn.
        read: Returns the records; called only if the cache does not have this fingerprint.
        labels: What its labels are, where they are not one an image: completes "has ..." in an error.
        given_by: What defines the splits, if the source does: completes "given by ...".
        remarks: What a user should know about how it was read, one line each.
        grouped_by: What says which images belong together, if anything does: completes "given by ...".
        folder: The folder that holds all its files, absolute: their names are a part of the fingerprint, the folder is
            not. "" where its images are no files but arrays, drawn or downloaded.
    """

    name: str
    fingerprint: str
    read: Callable[[], Records]
    labels: str = "no labels"
    given_by: str = PUBLISHED
    remarks: tuple[str, ...] = ()
    grouped_by: str = ""
    folder: str = ""


def split_name(text: str) -> str | None:
    """The split that the name of a file or folder contains: ``validation-00000-of-00002`` is "val", ``photos`` none."""
    splits = {SPELLINGS[word] for word in re.split(r"[^a-z]+", text.lower()) if word in SPELLINGS}
    return splits.pop() if len(splits) == 1 else None


def path_argument(name: str, argument: str | None) -> Path:
    """The path in ``NAME:PATH``.

    Raises:
        DataError: if there is none, or nothing at it.
    """
    if not argument:
        raise DataError(f"data set {name!r} needs a path: write {name}:PATH.")
    path = path_of(argument)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', error)}. Check the path.") from error
    if not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is neither a file nor a folder. Check the path.")
    return path


def options(name: str, argument: str | None, defaults: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Split ``HEAD,key=value,...``: the head ("" if there is none) and the options, defaults filled in.

    Raises:
        DataError: for a part that is not key=value, or a key given twice. UnknownNameError: for a key that is not in
            ``defaults``.
    """
    parts = [part.strip() for part in re.split(r",(?=\s*\w+=)", argument or "")]  # a value may have commas
    if "=" not in parts[0]:
        parts = [part.strip() for part in parts[0].split(",")] + parts[1:]
    head = parts.pop(0) if "=" not in parts[0] else ""
    chosen: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise DataError(f"{name}:{argument}: {part!r} is not an option; write key=value, separated by commas.")
        if key not in defaults:
            raise UnknownNameError(f"option of data set {name!r}", key, defaults)
        if key in chosen:
            raise DataError(f"{name}:{argument}: {key} is given twice; give each option once.")
        chosen[key] = value
    return head, {**defaults, **chosen}


def source(spec: str) -> Source:
    """The source that a spec names: ``NAME`` or ``NAME:ARGUMENT`` for a file in ``datasets/``, else a path.

    A path is read by the kind of file there (see ``READABLE``); a pattern names several files (see ``patterns``). A
    path to a Python file that defines ``dataset`` can replace a name.

    Raises:
        UnknownNameError: for neither a name nor an existing path. DataError: for a path with nothing usable at it.
    """
    name, colon, argument = spec.partition(":")
    if name in registry.names("datasets") or name.endswith(".py"):
        code = registry.code_hash(("datasets", name))
        named_source: Source = registry.load("datasets", name)(argument if colon else None)
        if code:
            named_source = replace(named_source, fingerprint=content_id([named_source.fingerprint, code], length=32))
        if not colon and not name.endswith(".py") and path_of(name).exists():
            return replace(
                named_source,
                remarks=(
                    *named_source.remarks,
                    f"the data set of this name is meant; write ./{name} for what lies in this folder",
                ),
            )
        return named_source
    kind = _kind(spec) if spec else None
    if kind is None:
        if any(sign in spec for sign in "/\\~.") and not colon:
            raise DataError(f"data set {spec}: nothing there that can be read ({READABLE}). Check the path.")
        raise UnknownNameError("data set (neither a name nor an existing path)", name, registry.names("datasets"))
    by_path: Source = registry.load("datasets", kind)(spec)
    return by_path


def _kind(spec: str) -> str | None:
    """The file in ``datasets/`` that reads what lies at a path, or what a pattern names; None where nothing does.

    ``image_folder`` reads a folder, and passes one without images to another reader.
    """
    if patterns.is_pattern(spec):
        kinds = {FILES.get(path.suffix.lower()) for path in patterns.files(spec)}
        if len(kinds) > 1 or not kinds <= SHARDED:
            raise DataError(f"{spec} must name files of one kind: .parquet, .tar or .arrow.")
        return kinds.pop()
    path = path_of(spec)
    if path.is_dir():
        return "parquet" if any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")) else "image_folder"
    return FILES.get(path.suffix.lower()) if path.is_file() else None
