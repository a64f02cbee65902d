"""The images under a folder, and a count by suffix of what was passed over.

A file is an image by its suffix or, where it has none, by its first bytes. Hidden files and what systems leave in a
folder (thumbnails of a network drive, recycle bins) are no data: they are passed over. DICOM files count where
there are no other images.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import head_of
from hpt_ray.data.decode import SUFFIXES
from hpt_ray.data.dicom import is_dicom

#: Of an image: those of decode.py, and rarer ones of the same formats.
IMAGES = SUFFIXES | {".jfif", ".jfi", ".jif", ".jpe", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}

DICOM = frozenset({".dcm", ".dicom"})

#: What systems leave in folders, in lower case: Synology, QNAP, Windows, Linux, macOS, Android, Python.
SYSTEM = frozenset(
    {
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "@__thumb", "#recycle", "#snapshot"),
        *("$recycle.bin", "recycler", "system volume information", "found.000", "lost+found", "lost.dir"),
        *("icon\r", "__pycache__", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
    }
)

#: As many suffixes and folders are named of files that were passed over.
NAMED = 6

#: A folder may be reached by as many paths: links that meet again double them with every folder on the way.
PATHS = 100

#: How files of decode.py's formats begin.
BEGINNINGS = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"P5\n", b"P6\n", b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
)


def images(root: Path) -> tuple[list[Path], list[str]]:
    """All images under a folder but for DICOM, in the order of their paths, and remarks on what was passed over.

    Symbolic links are followed.

    Raises:
        DataError: for what cannot be read, for a loop of links, and for more than ``PATHS`` paths to one folder.
    """
    return _separated(root, _is_image)


def dicoms(root: Path) -> tuple[list[Path], list[str]]:
    """All DICOM files under a folder; see ``images``."""
    return _separated(root, _is_dicom)


def _separated(root: Path, is_one: Callable[[Path], bool]) -> tuple[list[Path], list[str]]:
    paths: list[Path] = []
    others: list[Path] = []
    for path in _files(root):
        (paths if is_one(path) else others).append(path)
    paths.sort(key=str)
    return paths, _passed_over(root, paths, others)


def files(root: Path, suffix: str) -> list[Path]:
    """All files with a suffix under a folder, in the order of their paths; see ``images``."""
    return sorted((path for path in _files(root) if path.suffix.lower() == suffix), key=str)


def _passed_over(root: Path, image_paths: Sequence[Path], others: Sequence[Path]) -> list[str]:
    """``3 files passed over: .txt 2, no suffix 1``, the most frequent first, and the folders with nothing else."""
    suffixes = Counter(path.suffix.lower() for path in others)
    if not suffixes:
        return []
    named = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))[:NAMED]
    rest = suffixes.total() - sum(number for _, number in named)
    counts = [f"{suffix or 'no suffix'} {number:,}" for suffix, number in named] + (
        [f"others {rest:,}"] if rest else []
    )
    files = "1 file" if suffixes.total() == 1 else f"{suffixes.total():,} files"
    holding = set(
        itertools.chain.from_iterable((folder, *folder.parents) for folder in {path.parent for path in image_paths})
    )
    passed = {path.parent for path in others} - holding - {root}
    lost = sorted(str(folder.relative_to(root)) for folder in passed)
    more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
    only = f"; no image that can be read is in {', '.join(lost[:NAMED])}{more}" if lost else ""
    return [f"{files} passed over: {', '.join(counts)}{only}"]


def _files(root: Path) -> Iterator[Path]:
    """All files under a folder, but for hidden ones and a system's."""
    # Folders to look into, each with those on the way to it.
    waiting: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(root, (_place(root),))]
    reached: Counter[tuple[int, int]] = Counter()
    while waiting:
        folder, above = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}. Mend or remove it.") from error
        for entry in entries:
            path = folder / entry.name
            if entry.name.startswith((".", "__MACOSX")) or entry.name.lower() in SYSTEM:
                continue
            try:
                is_folder = entry.is_dir()
            except OSError as error:
                raise DataError(f"{path} cannot be followed: {error.strerror}. Mend or remove the link.") from error
            if not is_folder:
                yield path
                continue
            place = _place(path)
            if place in above:
                raise DataError(f"{path} is a symbolic link to a folder above it, a loop; remove the link.")
            reached[place] += 1
            if reached[place] > PATHS:
                raise DataError(
                    f"{path} is one of more than {PATHS} paths to one folder, {path.resolve()}, by symbolic links; "
                    "remove the links."
                )
            waiting.append((path, (*above, place)))


def _says_nothing(suffix: str) -> bool:
    """Whether a file's kind does not follow from its suffix: it has none, or a number (``scan.1.2.840``)."""
    return not suffix or suffix[1:].isdecimal()


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if not _says_nothing(suffix):
        return suffix in IMAGES
    start = _beginning(path)
    return begins_like_an_image(start) and not is_dicom(start)  # DICOM may begin like TIFF


def _is_dicom(path: Path) -> bool:
    """Whether a file is an image of DICOM; ``DICOMDIR`` is the table of contents of a disc."""
    suffix = path.suffix.lower()
    return suffix in DICOM or (_says_nothing(suffix) and path.name != "DICOMDIR" and is_dicom(_beginning(path)))


def _beginning(path: Path) -> bytes:
    """The first bytes of a file; none of one that cannot be read."""
    try:
        return head_of(path) if path.is_file() else b""  # a pipe would keep its reader waiting for ever
    except OSError:
        return b""


def begins_like_an_image(start: bytes) -> bool:
    """Whether 16 bytes or more are the beginning of a file in one of decode.py's formats."""
    webp = start[:4] == b"RIFF" and start[8:12] == b"WEBP"
    bitmap = start[:2] == b"BM" and start[6:10] == bytes(4)
    return start.startswith(BEGINNINGS) or webp or bitmap


def _place(folder: Path) -> tuple[int, int]:
    try:
        state = folder.stat()
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}. Mend or remove it.") from error
    return state.st_dev, state.st_ino
