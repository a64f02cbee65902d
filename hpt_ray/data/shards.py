"""What is known of each image beside its pixels, kept in shards while a data set is decoded.

A shard is written once all its images are decoded, so that decoding which was stopped goes on after the last one.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from hpt_ray.data import cache
from hpt_ray.data.ranges import Span
from hpt_ray.data.reading import Evidence, Reading

#: Images in a shard.
SHARD = 1024

#: The columns of a shard that are only needed while decoding.
COUNTS, EVIDENCE, READING = "counts", "looks", "reading"


@dataclass
class Shard:
    """Some images that follow each other.

    Attributes:
        columns: What is known of each: arrays of one length.
        evidence: What those show, by row, of which it is open how they are read.
        reading: How they were read, as ``spelled``.
    """

    columns: dict[str, npt.NDArray[Any]]
    evidence: dict[int, Evidence]
    reading: str


@dataclass(frozen=True)
class Shards:
    """The shards of ``count`` images in a folder."""

    folder: Path
    count: int

    def __iter__(self) -> Iterator[tuple[int, int, Shard | None]]:
        """The first image of each shard, the one after its last, and the shard; None if it is not there yet."""
        for start in range(0, self.count, SHARD):
            stop = min(start + SHARD, self.count)
            yield start, stop, self.load(start, stop)

    def load(self, start: int, stop: int) -> Shard | None:
        """The shard of the images from ``start`` to before ``stop``; None if it is not there, or damaged."""
        try:
            with np.load(self.file(start), allow_pickle=False) as stored:
                columns = {name: stored[name] for name in stored.files}
            by_row = json.loads(columns.pop(EVIDENCE).tobytes())
            evidence = {int(row): _evidence(shown) for row, shown in by_row.items()}
            shard = Shard(columns, evidence, str(columns.pop(READING)))
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None
        return shard if all(len(column) == stop - start for column in columns.values()) else None

    def keep(self, start: int, shard: Shard) -> None:
        """Write a shard, whole or not at all.

        Raises:
            DataError: if the cache cannot be written.
        """
        evidence = json.dumps({row: _plain(each) for row, each in shard.evidence.items()})
        content = io.BytesIO()
        named = {EVIDENCE: np.frombuffer(evidence.encode(), dtype=np.uint8), READING: np.array(shard.reading)}
        np.savez(content, allow_pickle=False, **shard.columns, **named)
        cache.write_atomically(self.file(start), content.getvalue())

    def joined(self) -> dict[str, npt.NDArray[Any]]:
        """Every column of all images but for the histograms, which are large."""
        parts = []
        for _, _, shard in self:
            assert shard is not None  # all are kept by now
            del shard.columns[COUNTS]
            parts.append(shard.columns)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def histogram(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The histogram [C, 256] of some images, given by their indices."""
        wanted = np.zeros(self.count, dtype=bool)
        wanted[chosen] = True
        parts = [
            shard.columns[COUNTS][wanted[start:stop]].sum(axis=0, dtype=np.int64)
            for start, stop, shard in self
            if shard is not None
        ]
        total: npt.NDArray[np.int64] = np.sum(parts, axis=0, dtype=np.int64)
        return total

    def evidence(self) -> list[Evidence]:
        """What all images show about how they are read."""
        return [shown for _, _, shard in self if shard is not None for shown in shard.evidence.values()]

    def file(self, start: int) -> Path:
        """The file of the shard that begins with an image."""
        return self.folder / f"{start // SHARD:06}.npz"


def spelled(how: Reading) -> str:
    """What decides how pixels are read, as text."""
    return json.dumps(None if how.plain else how.content())


def _plain(evidence: Evidence) -> dict[str, Any]:
    """Evidence as JSON holds it."""
    spans = [{**asdict(span), "odd": sorted(span.odd)} for span in evidence.spans]
    return {**asdict(evidence), "spans": spans}


def _evidence(stored: dict[str, Any]) -> Evidence:
    spans = tuple(Span(**{**span, "odd": frozenset(span["odd"])}) for span in stored["spans"])
    return Evidence(**{**stored, "spans": spans, "notes": tuple(stored["notes"])})
