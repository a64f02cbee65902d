"""Decode all images of a data set on all cores into one array.

Images with more than eight bits per pixel may be read twice: the first time shows which values occur.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.data.decode import pixels
from hpt_ray.data.groups import readable
from hpt_ray.data.ranges import PLAIN, Look, Reading, reading
from hpt_ray.data.records import Example, Records

#: At most this many bad images are listed in a message.
NAMED = 10

#: Images per task of the thread pool: enough that its overhead is negligible.
CHUNK = 32

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """What is known about decoded images besides their pixels.

    Attributes:
        labels: int64 [N], -1 where there is none.
        hashes: Content hashes of the decoded images, 32 hexadecimal digits [N].
        splits: The given splits, "" where there is none [N].
        targets: Of multi-label data, int8 [N, C].
        groups: The group of each image, None where it is alone [N].
        reading: How values of more than eight bits, and bands beside the colours, were read.
    """

    labels: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.bytes_]
    splits: npt.NDArray[np.str_]
    targets: npt.NDArray[np.int8] | None
    groups: list[str | None]
    reading: Reading


def decode_all(
    records: Records, images: npt.NDArray[np.uint8], again: Callable[[], Records], progress: Progress | None = None
) -> Decoded:
    """Decode every image into ``images`` (uint8 [N, 3, size, size]) on all cores, holding few at a time.

    Args:
        records: The images.
        images: The array to fill.
        again: Returns the records once more, for images whose values must be known before they can be scaled.
        progress: Called with (images done, images); counts again from 0 when images are read again.

    Raises:
        DataError: if images cannot be decoded, once all have been tried: says what is wrong with the first, how
            many there are, and the names of a few.
    """
    labels = np.full(records.count, -1, dtype=np.int64)
    hashes = np.zeros(records.count, dtype="S32")
    splits = np.full(records.count, "", dtype="U5")
    targets = np.full((records.count, len(records.classes)), -1, dtype=np.int8) if records.multilabel else None
    groups: list[str | None] = [None] * records.count
    looks: dict[int, Look] = {}

    def decode(index: int, example: Example, how: Reading) -> None:
        images[index], look = pixels(example, images.shape[-1], how)
        hashes[index] = hashlib.blake2b(images[index].tobytes(), digest_size=16).hexdigest().encode()
        if look is not None:
            looks[index] = look

    def first(index: int, example: Example) -> None:
        decode(index, example, PLAIN)
        labels[index] = -1 if example.label is None else example.label
        splits[index] = example.split or ""
        groups[index] = readable(example.group, example.where) if example.group else None
        if targets is not None and example.targets is not None:
            targets[index] = example.targets

    def second(index: int, example: Example) -> None:
        if index in looks:
            decode(index, example, how)

    _each(records, first, progress)
    how = reading(list(looks.values()))
    if not how.plain:
        _each(again(), second, progress)
    return Decoded(labels, hashes, splits, targets, groups, how)


def _each(records: Records, work: Callable[[int, Example], None], progress: Progress | None) -> None:
    """Do ``work`` for every image, given its index, on all cores."""
    bad: dict[int, tuple[str, str]] = {}

    def some(start: int, examples: list[Example]) -> int:
        for index, example in enumerate(examples, start):
            try:
                work(index, example)
            except DataError as error:
                bad[index] = example.where, str(error)
        return start + len(examples)

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    waiting: deque[Future[int]] = deque()
    # What Pillow warns of names no file: an image is good or refused.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for start, examples in _chunks(records):
                waiting.append(pool.submit(some, start, examples))
                if len(waiting) > 2 * workers:
                    _report(waiting.popleft().result(), records.count, progress)
            while waiting:
                _report(waiting.popleft().result(), records.count, progress)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if bad:
        raise _refused([bad[index] for index in sorted(bad)], records.count)


def _chunks(records: Records) -> Iterator[tuple[int, list[Example]]]:
    examples = iter(records.examples)
    start = 0
    while chunk := list(islice(examples, CHUNK)):
        yield start, chunk
        start += len(chunk)


def _refused(bad: Sequence[tuple[str, str]], count: int) -> DataError:
    (_, first), *others = bad
    if not others:
        return DataError(first)
    named = ", ".join(where for where, _ in others[:NAMED])
    rest = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    return DataError(f"{first} Of {count:,} images {len(bad):,} cannot be used; the others: {named}{rest}.")


def _report(done: int, count: int, progress: Progress | None) -> None:
    if progress is not None:
        progress(done, count)
