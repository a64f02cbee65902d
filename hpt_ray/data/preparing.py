"""The folder in the cache of a prepared data set: its pixels or where they stand, its columns and its facts.

It is filled shard by shard, so that filling which was stopped goes on where it was.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import VERSIONS, content_id
from hpt_ray.data import brightness, cache, encoded, facts
from hpt_ray.data.channel_count import ChannelCount, counted
from hpt_ray.data.decoding import Decoding, decode_all
from hpt_ray.data.examining import PLACES
from hpt_ray.data.groups import by_rule, numbered, suggestion
from hpt_ray.data.pixels import Choice, Pixels, chosen
from hpt_ray.data.place import changed
from hpt_ray.data.records import SPLITS, Source, source
from hpt_ray.data.shards import Shards
from hpt_ray.data.splits import RULE, complete, strata

IMAGES, COLUMNS = "images.npy", "columns.npz"


@dataclass(frozen=True)
class Preparation:
    """What is asked for: a source, its images at ``size`` pixels, and how their pixels are kept.

    Attributes:
        spec: The name or path, for an error.
        rule: The rule by which the source groups its images, if one was given.
        why: A remark on why the pixels are kept so, "" where they are resident as asked.
        channels: Which channels of the images are read.
    """

    spec: str
    source: Source
    size: int
    pixels: Pixels
    rule: str | None = None
    why: str = ""
    channels: Channels = RGB

    @property
    def key(self) -> str:
        """The hash of all that decides what is in the folder."""
        if not 1 <= self.size <= 4096:
            raise DataError(f"an image size of {self.size} pixels is not usable; choose between 1 and 4096.")
        content: list[Any] = [self.source.fingerprint, VERSIONS["data"], self.size, RULE]
        content += ["encoded"] if self.pixels == "encoded" else []
        content += [] if self.channels == RGB else [["channels", self.channels]]
        return content_id(content, length=32)

    @cached_property
    def count(self) -> ChannelCount:
        """The channels that are read, counted. Raises DataError as ``channel_count.counted``."""
        return counted(self.source, self.channels)

    @property
    def place(self) -> Path:
        """Where the folder is, or will be."""
        return cache.root() / ("indexed" if self.pixels == "encoded" else "decoded") / self.key

    @property
    def missing(self) -> int:
        """Bytes of squares that the cache has still to reserve.

        Raises:
            DataError: for a source that cannot be read.
        """
        if self.pixels == "encoded" or not self.source.folder or cache.is_begun(self.place):
            return 0
        return self.source.read().count * self.count.count * self.size**2

    def folder(self, progress: Callable[[int, int], None] | None) -> Path:
        """The folder, which is filled unless it is there.

        Raises:
            DataError: for a source that is empty or broken, or whose images are arrays and were asked for encoded; and
                for a cache that cannot be written.
        """
        if self.pixels == "encoded" and not self.source.folder:
            raise DataError(
                f"{self.spec} has arrays and no files, which cannot stay encoded: write pixels=auto, or leave it out."
            )
        label = f"{self.spec} {self.source.folder} {self.source.grouped_by} {self.size} {self.pixels}"
        cache.build(self.place, self._whole, lambda target: self._fill(target, progress), label)
        return self.place

    def _whole(self, folder: Path) -> bool:
        """Whether a cached folder can be used.

        After a power cut its files may be cut off; one of an earlier version may lack columns, or how its values were
        read.
        """
        try:
            places = folder / (encoded.PLACES if self.pixels == "encoded" else IMAGES)
            images = np.load(places, mmap_mode="r", allow_pickle=False)
            with np.load(folder / COLUMNS, allow_pickle=False) as columns:
                names, labels = facts.read(folder).classes, columns["labels"]
                counts = {len(images), len(columns["perceptual"]), len(columns["sizes"]), len(labels)}
                return len(counts) == 1 and labels.max(initial=-1) < len(names)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return False

    def _fill(self, folder: Path, progress: Callable[[int, int], None] | None) -> None:
        records = self.source.read()
        if records.count == 0:
            raise DataError(f"{self.spec} has no images; check the path.")
        shape = (records.count, self.count.count, self.size, self.size)
        images = None if self.pixels == "encoded" else cache.new_map(folder / IMAGES, shape, self.spec)
        decoding = Decoding(
            spec=self.spec,
            size=self.size,
            channels=self.count,
            images=images,
            shards=Shards(folder / cache.SCRATCH, records.count),
            folder=self.source.folder if self.pixels == "encoded" else None,
            packs=folder / encoded.PACKS,
            listing=cache.root() / "bad" / f"{self.key}.txt",
        )
        reading = decode_all(records, self.source.read, decoding, progress)
        if preparation(self.spec, self.size, self.rule, self.pixels, self.channels).key != self.key:
            raise changed(self.spec)
        if images is not None:
            images.flush()
        columns = decoding.shards.joined()
        given, flat = columns.pop("given"), columns.pop("flat")
        forms, numbers = np.unique(columns.pop("forms"), return_counts=True)
        names = list(map(os.fsdecode, columns.pop("called").tolist()))
        groups = numbered([name or None for name in columns.pop("group").tolist()])
        hints = [] if groups else suggestion(names, columns["labels"], records.classes)
        labelled = strata(columns["labels"], columns.get("targets"))
        splits = complete(self.spec, labelled, given, groups.get("units"))
        tests = columns["hashes"][splits["test"]]
        kept = {name: chosen[~np.isin(columns["hashes"][chosen], tests)] for name, chosen in splits.items()}
        kept["test"] = splits["test"]
        pool = np.concatenate([kept["train"], kept["val"]])
        mean, std = brightness.statistics(decoding.shards.histogram(pool))
        if self.pixels == "encoded":
            places = {name: columns.pop(name) for name in PLACES}
            table = np.empty(records.count, dtype=[(name, column.dtype) for name, column in places.items()])
            for name, column in places.items():
                table[name] = column
            np.save(folder / encoded.PLACES, table, allow_pickle=False)
        np.savez(folder / COLUMNS, allow_pickle=False, **columns, **kept, **groups)
        facts_of_folder = {
            "classes": list(records.classes),
            "mean": mean,
            "std": std,
            "excluded": sum(len(splits[name]) - len(kept[name]) for name in SPLITS),
            "given": [name for name in SPLITS if (given == name).any()],
            "forms": dict(zip(forms.tolist(), numbers.tolist(), strict=True)),
            "reading": None if reading.plain else reading.content(),
            "remarks": [*reading.remarks, *brightness.remark(int(flat.sum()), records.count), *hints],
            "decoder": facts.DECODER,
        }
        (folder / facts.FACTS).write_text(json.dumps(facts_of_folder), encoding="utf-8")


def preparation(
    spec: str, size: int, groups: str | None = None, pixels: Choice = "resident", channels: Channels = RGB
) -> Preparation:
    """What a name or a path asks for; see ``dataset.load``. Nothing but a sample is decoded for it.

    Raises:
        UnknownNameError: for a name that no file in ``datasets/`` has.
        DataError: for a source that is missing or broken.
    """
    ungrouped = source(spec)
    data_source = ungrouped if groups is None else by_rule(ungrouped, groups)
    resident = Preparation(spec, data_source, size, "resident", groups, channels=channels)
    if pixels != "auto":
        why = "its images stay encoded, as asked: crops are cut at full resolution" if pixels == "encoded" else ""
        return replace(resident, pixels=pixels, why=why)
    room = math.inf if cache.is_begun(resident.place) else cache.room()
    kept, why = chosen(ungrouped, size, room, resident.count.count)
    return replace(resident, pixels=kept, why=why)
