"""One tar of images: its samples by the WebDataset convention, found without unpacking anything.

A sample is all files of one key: the name up to the first dot of its last part; what follows that dot is the kind
(``train/0001.jpg``, ``train/0001.cls``; Aizman, Maltby and Breuel 2019, "High performance I/O for large scale deep
learning", section 3). Names are never used as paths, and links and devices are passed over.
"""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import HEAD, TAR, kind_of
from hpt_ray.data.datasets._column_names import may_be_label
from hpt_ray.data.decode import SUFFIXES
from hpt_ray.data.place import Place

#: Of what a name begins and ends: what webdataset writes for itself, and what it takes for key and kind.
_META = re.compile(r"__[^/]*__($|/)")
_NAME = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$", re.DOTALL)
#: The largest label or description of a sample, in bytes; larger files are captions or something else.
LARGEST = 100_000
#: One end-of-archive mark; tar writes two.
BLOCK = 512


@dataclass
class Sample:
    """The files of one key.

    Attributes:
        images: Kind to where the encoded bytes stand in the tar.
        texts: Kind to content, of ``.cls``, ``.json``, ``.txt`` and kinds that are called like labels.
    """

    key: str
    images: dict[str, Place] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Tar:
    """What a tar holds.

    Attributes:
        samples: In the order in which their keys come first.
        links: How many links, devices and sparse files were passed over.
        cut: Whether it lacks the mark with which a tar ends.
    """

    path: Path
    samples: tuple[Sample, ...]
    links: int
    cut: bool


def is_text(kind: str) -> bool:
    """Whether a file of a kind may say what a sample's label is."""
    return kind in ("cls", "json", "txt") or may_be_label(kind)


def tar(path: Path) -> Tar:
    """Look through a tar once.

    Raises:
        DataError: for what is no tar, is compressed, damaged or cut within a file, or has one name twice.
    """
    try:
        with path.open("rb") as file:
            _check_start(path, file.read(HEAD))
            file.seek(0)
            return _scan(path, file)
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as a tar ({error}); fetch it again.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Mend or remove it.") from error


def _check_start(path: Path, start: bytes) -> None:
    if not start[:BLOCK].strip(b"\0"):
        raise DataError(f"{path} is an empty tar: it holds no files. Fetch it again, or remove it.")
    kind = kind_of(start, expected=TAR)
    if kind and kind.what.startswith("compressed"):
        raise DataError(f"{path} is {kind.what}, and images cannot be found in it: unpack it to a plain .tar.")
    if kind:
        raise DataError(f"{path} is not {TAR.what} but {kind.what}: {kind.remedy or 'remove it, or give another'}.")


def _scan(path: Path, file: io.BufferedReader) -> Tar:
    samples: dict[str, Sample] = {}
    links = 0
    with tarfile.open(fileobj=file, mode="r:") as archive:
        while (member := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else they all stay in memory
            if not member.isreg() or member.issparse():
                links += not member.isdir()
                continue
            match = _NAME.match(member.name)
            if match is None or _META.match(member.name):
                continue
            key, kind = match[1], match[2].lower()
            sample = samples.setdefault(key, Sample(key))
            if kind in sample.images or kind in sample.texts:
                raise DataError(f"{path} holds {member.name} twice; write each file once.")
            if f".{kind.rsplit('.', 1)[-1]}" in SUFFIXES:
                sample.images[kind] = Place(path, member.offset_data, member.size)
            elif is_text(kind) and member.size <= LARGEST:
                file.seek(member.offset_data)
                sample.texts[kind] = file.read(member.size)
        end = archive.offset
    # The reader takes any damaged header for the end.
    file.seek(end)
    rest = file.read(BLOCK)
    if rest.strip(b"\0") or 0 < len(rest) < BLOCK:
        raise DataError(f"{path} is damaged after {end:,} bytes: it was cut, or is no tar from there; fetch it again.")
    return Tar(path, tuple(samples.values()), links, cut=not rest)
