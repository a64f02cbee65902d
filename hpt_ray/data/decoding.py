"""Decode all images of a data set on all cores, shard by shard, and go on where an earlier run was stopped.

Images with more than eight bits per pixel may be read twice: the first time shows which values occur.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hpt_ray.core import machine
from hpt_ray.data import cache
from hpt_ray.data.bad_images import refused
from hpt_ray.data.channel_count import ChannelCount
from hpt_ray.data.examining import Part, content_hash, examine
from hpt_ray.data.place import changed
from hpt_ray.data.reading import PLAIN, Evidence, Reading, reading
from hpt_ray.data.records import Example, Records
from hpt_ray.data.shards import SHARD, Shard, Shards, spelled

#: Images per task of the thread pool: enough that its overhead is negligible.
CHUNK = 32

Progress = Callable[[int, int], None]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Decoding:
    """How a data set is decoded, and what becomes of it.

    Attributes:
        size: Side of the decoded images in pixels.
        images: The array to fill, uint8 [N, C, size, size]; None where only the columns are kept.
        spec: The data set, for an error.
        shards: What is known of each image beside its pixels.
        folder: What the names of files are relative to, where images stay encoded; else None.
        packs: The folder for the bytes of those that have no place of their own.
        listing: The file that lists bad images, if there are several.
        channels: That every image must have.
    """

    spec: str
    size: int
    images: npt.NDArray[np.uint8] | None
    shards: Shards
    folder: str | None
    packs: Path
    listing: Path
    channels: ChannelCount = field(default_factory=ChannelCount)

    def holds(self, start: int, shard: Shard) -> bool:
        """Whether the array or the packed bytes, after a power cut perhaps, are those of a shard that was kept."""
        if self.images is not None:
            hashes = shard.columns["hashes"]
            return all(content_hash(self.images[start + row]) == each for row, each in enumerate(hashes))
        packed = int(shard.columns["size"][shard.columns["packed"]].sum())
        file = self.pack(start)
        return packed == (file.stat().st_size if file.is_file() else 0)

    def pack(self, start: int) -> Path:
        """The file of the packed bytes of the shard that begins with an image."""
        return self.packs / f"{start:09}.bin"


@dataclass
class _Unfinished:
    """A shard of which some rows are being decoded; with the others, if any, it is ``stored``."""

    start: int
    stop: int
    stored: Shard | None
    rows: Rows
    parts: list[Part] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all its rows are decoded, and nothing stored is kept."""
        return len(self.rows) == self.stop - self.start

    def whole(self, how: Reading) -> Shard:
        """The shard once all its parts are there."""
        columns = {name: np.concatenate([part.columns[name] for part in self.parts]) for name in self.parts[0].columns}
        numbers = np.cumsum([0, *(len(part.columns["labels"]) for part in self.parts)])
        evidence: dict[int, Evidence] = {
            int(self.rows[first + number]): shown
            for first, part in zip(numbers, self.parts, strict=False)
            for number, shown in part.evidence.items()
        }
        if self.stored is not None and not self.complete:
            for name, column in columns.items():
                self.stored.columns[name][self.rows] = column
            columns, evidence = self.stored.columns, self.stored.evidence
        return Shard(columns, evidence, spelled(how))


def decode_all(
    records: Records, again: Callable[[], Records], decoding: Decoding, progress: Progress | None = None
) -> Reading:
    """Decode every image whose shard is not kept yet, on all cores, holding few at a time.

    Args:
        records: The images.
        again: Returns the records once more, for images whose values must be known before they can be scaled.
        progress: Called with (images done, images); counts again from 0 when images are read again.

    Returns:
        How values of more than eight bits, and bands beside the colours, were read.

    Raises:
        DataError: if images cannot be decoded, once all have been tried: says what is wrong with the first, how
            many there are, and the names of a few.
    """
    _decode(records, PLAIN, decoding, progress)
    how = reading(decoding.shards.evidence())
    if not how.plain:
        _decode(again(), how, decoding, progress)
    return how


def _decode(records: Records, how: Reading, decoding: Decoding, progress: Progress | None) -> None:
    """Decode what is missing, or was read in another way than ``how``."""
    bad: dict[int, tuple[str, str]] = {}
    classes = len(records.classes) if records.multilabel else None

    def work(shard: _Unfinished, rows: Rows, examples: list[Example]) -> Part:
        folder = decoding.folder if shard.complete else None
        pixels, part = examine(examples, decoding.size, how, decoding.channels, classes, folder)
        if decoding.images is not None:
            decoding.images[shard.start + rows] = pixels
        return part

    def finish(shard: _Unfinished, rows: Rows, future: Future[Part]) -> None:
        part = future.result()
        bad.update({shard.start + int(rows[number]): why for number, why in part.bad.items()})
        _pack(part, shard, decoding.pack(shard.start))
        shard.parts.append(part)
        if rows[-1] == shard.rows[-1] and not any(each.bad for each in shard.parts):
            decoding.shards.keep(shard.start, shard.whole(how))
            _check_room(decoding, shard.start, records.count - shard.stop)
        if progress is not None:
            progress(shard.start + int(rows[-1]) + 1, records.count)

    waiting: deque[tuple[_Unfinished, Rows, Future[Part]]] = deque()
    workers = machine.cores()
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for shard, rows, examples in _tasks(records, how, decoding):
                waiting.append((shard, rows, pool.submit(work, shard, rows, examples)))
                if len(waiting) > 2 * workers:
                    finish(*waiting.popleft())
            while waiting:
                finish(*waiting.popleft())
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if bad:
        raise refused(bad, records.count, decoding.listing)


def _check_room(decoding: Decoding, start: int, left: int) -> None:
    """Check that the cache has room for the rest of the images, to judge by a shard that it has."""
    files = decoding.shards.file(start), decoding.pack(start)
    written = sum(file.stat().st_size for file in files if file.is_file())
    cache.check_room(written * left / SHARD, decoding.spec)


def _tasks(records: Records, how: Reading, decoding: Decoding) -> Iterator[tuple[_Unfinished, Rows, list[Example]]]:
    """What is to be decoded: some rows of a shard, and their images."""
    examples = iter(records.examples)
    for start, stop, stored in decoding.shards:
        shard = _Unfinished(start, stop, stored, _rows(start, stop, stored, how, decoding))
        for first in range(0, stop - start, CHUNK):
            count = min(CHUNK, stop - start - first)
            chunk = list(islice(examples, count))
            if len(chunk) < count:
                raise changed(f"image {start + first + len(chunk):,}, which is missing,")
            rows = shard.rows[(shard.rows >= first) & (shard.rows < first + count)]
            if len(rows):
                yield shard, rows, [chunk[row - first] for row in rows]


def _rows(start: int, stop: int, stored: Shard | None, how: Reading, decoding: Decoding) -> Rows:
    """The rows of a shard that are to be decoded."""
    if stored is None or (how.plain and not decoding.holds(start, stored)):
        return np.arange(stop - start)
    if how.plain or stored.reading == spelled(how):
        return np.arange(0)
    return np.array(sorted(stored.evidence), dtype=np.int64)


def _pack(part: Part, shard: _Unfinished, file: Path) -> None:
    """Append the bytes of images that have no place of their own to the file of their shard."""
    if part.packed and not part.bad:
        file.parent.mkdir(exist_ok=True)
        packed = part.columns["packed"]
        with file.open("ab" if shard.parts else "wb") as stream:
            part.columns["offset"] = part.columns["offset"] + packed * stream.tell()
            stream.writelines(part.packed)
        part.columns["name"] = np.where(packed, os.fsencode(file.name), part.columns["name"])
        part.packed = []
