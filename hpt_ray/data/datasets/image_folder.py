"""A folder of images: one sub-folder per class, the same under train/val/test, or flat and without labels.

Images in a class's sub-folders belong to the class. A folder in which another lies and nothing else is entered. Folders
such as ``seg_train`` and ``seg_test``, or ``train`` and ``test1``, are splits too: their names hold a split's, and they
are otherwise alike or hold the same sub-folders. DICOM files are read where there are no other images.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data import cache, remembered
from hpt_ray.data.classes import plain
from hpt_ray.data.datasets import _walk, arrow, parquet, webdataset
from hpt_ray.data.folder_names import is_generic, split_of, words
from hpt_ray.data.records import SPELLINGS, Example, Records, Source, path_argument

#: What reads a folder without images, by the suffix of files in it, the first that there is.
SHARDS: dict[str, Callable[[str | None], Source]] = {
    ".parquet": parquet.dataset,
    ".tar": webdataset.dataset,
    ".arrow": arrow.dataset,
}

Parts = tuple[str, ...]


@dataclass
class _Layout:
    """Of each image its class and its split, None without.

    ``unusual``: read by a rule that was added later, so that what was kept of an earlier reading must not be used.
    """

    classes: list[str | None]
    splits: list[str | None]
    unusual: bool = False
    remarks: list[str] = field(default_factory=list)


def dataset(argument: str | None) -> Source:
    """A folder in one of the three layouts. One without images but with shards is read as these: see ``SHARDS``."""
    root = path_argument("image_folder", argument)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder of images; give a folder, an image list or a .parquet file.")
    look = functools.partial(_look, root, argument)
    return remembered.source("image_folder", root, remembered.state_below(root), look)


def _look(root: Path, argument: str | None) -> Source:
    images, passed = _walk.images(root)
    if not images:
        for suffix, of_shards in SHARDS.items():
            if _walk.files(root, suffix):
                return of_shards(argument)
        images, passed = _walk.dicoms(root)
    if not images:
        others = "".join(f" {line}." for line in passed)
        known = ", ".join(sorted(_walk.IMAGES | _walk.DICOM))
        raise DataError(f"{root} has no images in it (looked for {known}).{others} Check the path.")
    if unread := [suffix for suffix in SHARDS if any(root.glob(f"*{suffix}"))]:
        passed.append(
            f"its {' and '.join(unread)} files are not read, since it has images as well: give them by a pattern, such "
            f"as '{root.name}/*{unread[0]}', or a folder of their own"
        )
    inner = _entered(root, images)
    if inner != root:
        passed.append(f"{inner.relative_to(root)} is all there is in the folder, and was entered")
    layout = _layout(inner, images)
    fingerprint = cache.fingerprint(images, inner)
    if layout.unusual:
        fingerprint = content_id(["layout", fingerprint], length=32)
    return Source(
        root.resolve().name,
        fingerprint,
        lambda: _records(inner, images, layout),
        given_by="its folders",
        remarks=(*layout.remarks, *passed),
        folder=str(inner.absolute()),
    )


def _records(root: Path, images: Sequence[Path], layout: _Layout) -> Records:
    classes = tuple(sorted({name for name in layout.classes if name is not None}))
    index = {name: i for i, name in enumerate(classes)}
    depth = len(root.parts)
    examples = [
        Example(path, str(path), None if name is None else index[name], split, name="/".join(path.parts[depth:]))
        for path, name, split in zip(images, layout.classes, layout.splits, strict=True)
    ]
    return Records(len(examples), classes, examples)


def _entered(root: Path, images: Sequence[Path]) -> Path:
    """The folder that holds the data: deeper than ``root`` while one folder of folders is all there is."""
    while True:
        parts = [path.parts[len(root.parts) :] for path in images]
        top = parts[0][0]
        if top.lower() in SPELLINGS or any(part[0] != top or len(part) < 3 for part in parts):
            return root
        root /= top


def _layout(root: Path, images: Sequence[Path]) -> _Layout:
    parts = [path.parts[len(root.parts) :] for path in images]
    tops: dict[str, list[Parts]] = {}
    for part in parts:
        if len(part) > 1:
            tops.setdefault(part[0], []).append(part[1:])
    within = _splits_within(parts)
    if within:
        parts = [(part[1], part[0], *part[2:]) for part in parts]
        tops = {split: [part[1:] for part in parts if part[0] == split] for split in within}
    depths = {top: _doubled(top, inside) if split_of(top) else 0 for top, inside in tops.items()}
    folders = {
        top: {plain(part[depths[top]]) for part in inside if len(part) > depths[top] + 1}
        for top, inside in tops.items()
    }
    splits = _split_folders(folders)
    if not splits:
        _check_doubled(root, folders)
        _check_class_folders(root, images, parts)
        classes = [part[0] if len(part) > 1 else None for part in parts]
        inner = {top: folders[top] | _classes_below(inside) for top, inside in tops.items()}
        return _Layout(classes, [None] * len(images), remarks=_doubts(root, inner))
    for path, part in zip(images, parts, strict=True):
        if len(part) == 1 or part[0] not in splits:
            raise DataError(f"{path} lies beside the train/val/test folders; move it into one or remove it.")
    given = [splits[part[0]] for part in parts]
    inside = [part[1 + depths[part[0]] :] for part in parts]
    for split in set(given):
        chosen = [i for i, other in enumerate(given) if other == split]
        _check_class_folders(root, [images[i] for i in chosen], [inside[i] for i in chosen])
    layout = _Layout([part[0] if len(part) > 1 else None for part in inside], list(given))
    layout.unusual = bool(within) or any(top.lower() not in SPELLINGS or depths[top] for top in splits)
    if layout.unusual:
        where = " within each class" if within else ""
        layout.remarks.append(f"splits{where}: {', '.join(f'{top} is {splits[top]}' for top in sorted(splits))}")
    if within:
        names = {part[1] for part in parts}
        layout.remarks += _doubts(
            root, {name: _classes_below(part[2:] for part in parts if part[1] == name) for name in names}
        )
    _unlabel(layout)
    return layout


def _splits_within(parts: Sequence[Parts]) -> set[str]:
    """The split folders that lie within each class's folder: ``cat/train``, ``dog/train``, ``cat/test``, ..."""
    if any(len(part) < 3 or part[1].lower() not in SPELLINGS or is_generic(part[0]) for part in parts):
        return set()
    names = {part[1] for part in parts}
    return names if len({SPELLINGS[name.lower()] for name in names}) > 1 else set()


def _classes_below(inside: Iterable[Parts]) -> set[str]:
    """The first folder on the way to each image whose name is no split's and says something."""
    first_names = (next((name for name in part[:-1] if not is_generic(name)), None) for part in inside)
    return {plain(name) for name in first_names if name is not None}


def _doubled(top: str, inside: Sequence[Parts]) -> int:
    """How many folders to enter within a split's until its classes: 1 of ``seg_train/seg_train/cat``."""
    depth = 0
    while all(len(part) > depth + 2 for part in inside):
        names = {part[depth] for part in inside}
        if len(names) > 1 or not is_generic(names.pop(), top):
            break
        depth += 1
    return depth


def _split_folders(folders: Mapping[str, set[str]]) -> dict[str, str]:
    """The top folders that are splits, or none. A lone "train" among others is a class: of vehicles, perhaps."""
    exact = {top: SPELLINGS[top.lower()] for top in folders if top.lower() in SPELLINGS}
    if len(set(exact.values())) > 1 or (exact and len(exact) == len(folders)):
        return exact
    named = {top: split for top in folders if (split := split_of(top))}
    if "train" not in named.values() or len(set(named.values())) < 2:
        return {}
    train, held_out = (
        set[str]().union(*(folders[top] for top in named if (named[top] == "train") == wanted))
        for wanted in (True, False)
    )
    rest = {"".join(word for word in re.findall("[a-z]+", words(top)) if word not in SPELLINGS) for top in named}
    alike = len(named) == len(folders) and len(rest) == 1
    return named if alike or _are_same(train, held_out) else {}


def _are_same(one: set[str], other: set[str]) -> bool:
    """Whether two folders hold the same sub-folders, or nearly: at least two and half of the fewer."""
    return len(one & other) >= max(2, min(len(one), len(other)) / 2)


def _doubts(root: Path, folders: Mapping[str, set[str]]) -> list[str]:
    """A remark on top folders that became classes, though they look like splits: by name or by what they hold.

    Raises:
        DataError: if one of them is named as a split is: then they are no classes.
    """
    tops = sorted(folders)
    for place, one in enumerate(tops):
        for other in tops[place + 1 :]:
            if _are_same(folders[one], folders[other]):
                names = ", ".join(sorted(folders[one] & folders[other])[:3])
                same = f"{one} and {other} hold the same sub-folders ({names})"
                if split_of(one) or split_of(other):
                    raise DataError(f"{root}: {same}: name splits train, val and test, or give one folder of classes.")
                return [
                    f"{same} and are taken for classes; name them train and test if they are splits, or "
                    "give one of them if they are data sets"
                ]
    named = {top: split_of(top) for top in tops if is_generic(top)}
    if len({*named.values()} - {None}) > 1 or (len(tops) > 1 and any(len(folders[top]) > 1 for top in named)):
        return [
            f"{', '.join(named)}: taken for classes; name splits train, val and test, and remove what holds no classes"
        ]
    return []


def _check_doubled(root: Path, folders: Mapping[str, set[str]]) -> None:
    """Refuse a folder beside the classes that holds them once more."""
    for top, inside in folders.items():
        others = {plain(other) for other in folders if other != top}
        if len(others) > 1 and others <= inside:
            raise DataError(f"{root / top} holds the folders beside it once more; remove it or give {root / top}.")


def _check_class_folders(root: Path, images: Sequence[Path], parts: Sequence[Parts]) -> None:
    """A split is flat or has class folders; both at once is a stray file or a misplaced folder."""
    flat = [path for path, part in zip(images, parts, strict=True) if len(part) == 1]
    if 0 < len(flat) < len(images):
        raise DataError(f"{root} has class folders and loose images such as {flat[0]}; sort these in or remove them.")


def _unlabel(layout: _Layout) -> None:
    """Take the label from a split that has no class folders, but one folder for all: ``val/images``."""
    by_split: dict[str, set[str | None]] = {}
    for name, given in zip(layout.classes, layout.splits, strict=True):
        by_split.setdefault(str(given), set()).add(name)
    train = by_split.get("train", set()) - {None}
    for split, names in by_split.items():
        (name, *several) = names
        if train and not several and name is not None and name not in train and is_generic(name):
            here = [i for i, given in enumerate(layout.splits) if given == split]
            for i in here:
                layout.classes[i] = None
            layout.unusual = True
            layout.remarks.append(f"{split} has no class folders: its {len(here):,} images in {name} have no label")
