"""Recognise, by its first bytes, a file that is not what its name says: a pointer, a web page, another format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

#: How many bytes at the beginning of a file are examined.
HEAD = 1024


class FileKind(NamedTuple):
    """What a file is, and what to do about it; ``remedy`` is None where that depends on what was expected."""

    what: str
    remedy: str | None


_UNPACK = "unpack it and give the file inside"
IMAGE, PARQUET = FileKind("an image", None), FileKind("a Parquet file", None)
TAR = FileKind("a tar archive", _UNPACK)

#: First bytes of what was stored or downloaded in place of a file.
_PLACEHOLDERS = {
    rb"(?i)version https://git-lfs": FileKind("a Git LFS pointer, which stands for the file", "run git lfs pull"),
    rb"/annex/objects/": FileKind("a git-annex pointer, which stands for the file", "run git annex get"),
    rb"(?i)<(!doctype html|html|head|body|script)": FileKind(
        "a web page, as a download gives that asks to log in or to confirm", "download it again in a browser"
    ),
    rb"<\?xml": FileKind("an answer in XML, as a download gives that failed", "download it again"),
    rb"\0+\Z": FileKind("a file that begins with zeros, as an unfinished download leaves it", "fetch it again"),
}
#: First bytes of other formats. Brands of the ISO base media format are at byte 4, some magic numbers further on.
_FORMATS = {
    rb"\x1f\x8b": FileKind("compressed by gzip", _UNPACK),
    rb"BZh[1-9]1AY&SY": FileKind("compressed by bzip2", _UNPACK),
    rb"\xfd7zXZ": FileKind("compressed by xz", _UNPACK),
    rb"\x28\xb5\x2f\xfd": FileKind("compressed by zstd", _UNPACK),
    rb"\x04\x22\x4d\x18": FileKind("compressed by lz4", _UNPACK),
    rb"PK\x03\x04": FileKind("a zip archive", _UNPACK),
    rb"7z\xbc\xaf": FileKind("a 7z archive", _UNPACK),
    rb"Rar!": FileKind("a RAR archive", _UNPACK),
    rb".{257}ustar": TAR,
    rb"\x89PNG|\xff\xd8\xff": IMAGE,
    rb"PAR1": PARQUET,
    rb".{4}ftyp(heic|heix|heim|hevc|mif1|msf1)": FileKind("a HEIC photograph", None),
    rb".{4}ftypavi[fs]": FileKind("an AVIF image", None),
    rb".{4}ftyp": FileKind("a film", None),
    rb".{128}DICM": FileKind("a DICOM file", None),
    rb"%PDF": FileKind("a PDF document", None),
    rb"\x89HDF": FileKind("an HDF5 file", None),
    rb"\x93NUMPY": FileKind("an array of numpy", None),
    rb"GGUF": FileKind("a GGUF file", None),
    rb"SIMPLE  =": FileKind("a FITS file", None),
    rb".{344}n[+i]1": FileKind("a NIfTI file", None),
}
_SVG = rb"(<\?xml[^>]*>\s*)?(<!--.*-->\s*)?(<!DOCTYPE svg[^>]*>\s*)?<svg"


def placeholder(head: bytes) -> FileKind | None:
    """What was stored or downloaded in place of a file; None if this may be the file itself.

    Args:
        head: the first ``HEAD`` bytes, or all if there are fewer.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(_SVG, text, re.DOTALL):
        return None
    return next((kind for start, kind in _PLACEHOLDERS.items() if re.match(start, text, re.DOTALL)), None)


def kind_of(head: bytes, expected: FileKind | None = None) -> FileKind | None:
    """What a file is instead of what was expected; None if its first bytes do not show that.

    Args:
        head: the first ``HEAD`` bytes, or all if there are fewer.
        expected: the kind that the file should have, which is not reported.
    """
    if stand_in := placeholder(head):
        return stand_in
    if re.match(_SVG, head.removeprefix(b"\xef\xbb\xbf").lstrip(), re.DOTALL):
        return FileKind("a drawing (SVG)", None)
    kinds = (kind for start, kind in _FORMATS.items() if re.match(start, head, re.DOTALL))
    return next((kind for kind in kinds if kind is not expected), None)


def head_of(path: Path) -> bytes:
    """The beginning of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(HEAD)
