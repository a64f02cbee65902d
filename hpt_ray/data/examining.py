"""Decode some images and note what is known of each beside its pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.data.brightness import are_flat, histogram
from hpt_ray.data.channel_count import ChannelCount
from hpt_ray.data.decode import pixels
from hpt_ray.data.duplicates import perceptual
from hpt_ray.data.groups import readable
from hpt_ray.data.place import Place
from hpt_ray.data.reading import Evidence, Reading
from hpt_ray.data.records import Example


@dataclass
class Part:
    """Some images of one shard.

    Attributes:
        columns: What is known of each: arrays of length n.
        evidence: What those show, by their number among the n, of which it is open how they are read.
        packed: The encoded bytes of those that have no place of their own, such as rows of a Parquet file.
        bad: What names those that cannot be used, by their number, and why they cannot.
    """

    columns: dict[str, npt.NDArray[Any]] = field(default_factory=dict)
    evidence: dict[int, Evidence] = field(default_factory=dict)
    packed: list[bytes] = field(default_factory=list)
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)


def examine(
    examples: Sequence[Example],
    size: int,
    how: Reading,
    channels: ChannelCount,
    classes: int | None,
    folder: str | None,
) -> tuple[npt.NDArray[np.uint8], Part]:
    """Decode images, hash them and count their values; those that cannot be used are noted as bad.

    Args:
        size: Side of the decoded images in pixels.
        how: How values of more than eight bits are read.
        channels: That every image must have.
        classes: How many there are, where images have several labels each.
        folder: What the names of files are relative to, where images are to be read again one by one; else None.

    Returns:
        The pixels, uint8 [n, C, size, size], and what is known beside them.
    """
    count, part = len(examples), Part()
    images = np.zeros((count, channels.count, size, size), dtype=np.uint8)
    extents = np.zeros((count, 2), dtype=np.int32)
    places, groups, forms = [], list[str](), list[str]()
    for number, example in enumerate(examples):
        try:
            if folder is not None:
                content = encoded_bytes(example)
                places.append(_place(example, content, folder, part.packed))
                example = replace(example, image=content)  # noqa: PLW2901  # its file is read once
            decoded, shown, extents[number], form = pixels(example, size, how, channels.channels)
            channels.check(len(decoded), example.where)
            images[number] = decoded
            forms.append(form)
            groups.append(readable(example.group, example.where) if example.group else "")
        except DataError as error:
            part.bad[number] = example.where, str(error)
        else:
            if shown is not None:
                part.evidence[number] = shown
    part.columns |= _of_pixels(images) | _of_examples(examples, classes)
    part.columns |= {"sizes": extents, "group": np.array(groups), "forms": np.array(forms)}
    if folder is not None and not part.bad:
        part.columns |= dict(zip(PLACES, map(np.array, zip(*places, strict=True)), strict=True))
    return images, part


#: Where an image is read again: whether its bytes are packed in the cache, having no place of their own; the name of
#: the file; where its bytes stand there; their hash; and what names the image in an error.
PLACES = ("packed", "name", "offset", "size", "digest", "where")


def digest(content: bytes) -> bytes:
    """The hash of bytes: 32 hexadecimal digits."""
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()


def content_hash(image: npt.NDArray[np.uint8]) -> bytes:
    """The hash of a decoded image: 32 hexadecimal digits."""
    return digest(image.tobytes())


def encoded_bytes(example: Example) -> bytes:
    """The encoded bytes of an image.

    Raises:
        DataError: for one that cannot be read, or that is an array.
    """
    image = example.image
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path):
        image = Place(image)
    if isinstance(image, Place):
        return image.read(example.where)
    raise DataError(
        f"{example.where} is an array and no file, and cannot stay encoded: write pixels=auto, or leave it out."
    )


def _place(example: Example, content: bytes, folder: str, packed: list[bytes]) -> tuple[Any, ...]:
    """Of ``PLACES``; bytes without a place of their own are appended to ``packed``, which gets a file later."""
    identity = len(content), digest(content), os.fsencode(example.where)
    image = Place(example.image) if isinstance(example.image, Path) else example.image
    if isinstance(image, Place):
        return False, os.fsencode(os.path.relpath(image.file, folder)), image.offset, *identity
    packed.append(content)
    return True, b"", sum(map(len, packed[:-1])), *identity


def _of_pixels(images: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    counts = np.stack([histogram(image) for image in images])
    return {
        "hashes": np.array([content_hash(image) for image in images], dtype="S32"),
        "perceptual": perceptual(images),
        "counts": counts,
        "flat": are_flat(counts),
    }


def _of_examples(examples: Sequence[Example], classes: int | None) -> dict[str, npt.NDArray[Any]]:
    labels = [-1 if example.label is None else example.label for example in examples]
    columns = {
        "labels": np.array(labels, dtype=np.int64),
        "given": np.array([example.split or "" for example in examples], dtype="U5"),
        "called": np.array([os.fsencode(example.name) for example in examples]),
    }
    if classes is not None:
        unknown = (-1,) * classes
        columns["targets"] = np.array(
            [unknown if example.targets is None else example.targets for example in examples], dtype=np.int8
        ).reshape(len(examples), classes)
    return columns
