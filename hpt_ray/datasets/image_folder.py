"""A folder of images: one sub-folder per class, the same under train/val/test, or flat and without labels.

Images in a class's sub-folders belong to the class. Hidden files and files that are no images are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hpt_ray import cache
from hpt_ray.decode import SUFFIXES
from hpt_ray.errors import DataError
from hpt_ray.records import SPELLINGS, Example, Records, Source, path_argument


def dataset(argument: str | None) -> Source:
    """A folder in one of the three layouts."""
    root = path_argument("image_folder", argument)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of images; give a folder, an image list or a .parquet file.")
    images = sorted(_images(root, (_place(root),)), key=str)
    if not images:
        raise DataError(f"{root} has no images in it (looked for {', '.join(sorted(SUFFIXES))}). Check the path.")
    return Source(root.resolve().name, cache.fingerprint(images, root), lambda: _records(root, images))


def _records(root: Path, images: list[Path]) -> Records:
    parts = [path.relative_to(root).parts for path in images]
    if _has_split_folders({part[0].lower() for part in parts if len(part) > 1}):
        splits: list[str | None] = [SPELLINGS.get(part[0].lower()) if len(part) > 1 else None for part in parts]
        for path, split in zip(images, splits, strict=True):
            if split is None:
                raise DataError(f"{path} lies beside the train/val/test folders; move it into one or remove it.")
        parts = [part[1:] for part in parts]
    else:
        splits = [None] * len(images)
    _check_one_layout(root, images, parts, splits)
    names = [part[0] if len(part) > 1 else None for part in parts]
    classes = tuple(sorted({name for name in names if name is not None}))
    index = {name: i for i, name in enumerate(classes)}
    examples = [
        Example(path, str(path), None if name is None else index[name], split)
        for path, name, split in zip(images, names, splits, strict=True)
    ]
    return Records(len(examples), classes, examples)


def _has_split_folders(folders: set[str]) -> bool:
    """Whether the top folders are splits. A lone "train" among others is a class: of vehicles, perhaps."""
    splits = {SPELLINGS[name] for name in folders if name in SPELLINGS}
    return len(splits) > 1 or (splits != set() and folders <= SPELLINGS.keys())


def _check_one_layout(root: Path, images: list[Path], parts: list[tuple[str, ...]], splits: list[str | None]) -> None:
    """A split is flat or has class folders; both at once is a stray file or a misplaced folder."""
    for split in set(splits):
        flat = [len(part) == 1 for part, other in zip(parts, splits, strict=True) if other == split]
        if any(flat) and not all(flat):
            stray = next(
                path
                for path, part, other in zip(images, parts, splits, strict=True)
                if other == split and len(part) == 1
            )
            raise DataError(f"{root} has class folders and loose images such as {stray}; sort these in or remove them.")


def _images(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """All images under a folder; symbolic links are followed, ``above`` knows the folders on the way to this one."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Mend or remove it.") from error
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith((".", "__MACOSX")):
            continue
        try:
            is_folder = entry.is_dir()
        except OSError as error:
            raise DataError(f"{path} cannot be followed: {error.strerror}. Mend or remove the link.") from error
        if is_folder:
            place = _place(path)
            if place in above:
                raise DataError(f"{path} is a symbolic link to a folder above it, a loop; remove the link.")
            yield from _images(path, (*above, place))
        elif path.suffix.lower() in SUFFIXES:
            yield path


def _place(folder: Path) -> tuple[int, int]:
    try:
        state = folder.stat()
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Mend or remove it.") from error
    return state.st_dev, state.st_ino
