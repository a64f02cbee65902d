"""WebDataset shards: tars in which the files of one key are one sample, ``0001.jpg`` with ``0001.cls``.

One tar, a folder with some, or a pattern (``shards-{000..012}.tar``); a shard's name or folder gives its split. The
label is in ``.cls`` (or ``.label``, ``.class``, ...), else under ``label`` in ``.json``, else in ``.txt`` where that
holds classes and not captions: an integer or a class name. ``group`` in ``.json`` says which images belong together.
Names for integers are taken from ``classes.json`` beside the shards. Nothing is unpacked: images are read where they
stand.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id
from hpt_ray.data import cache, remembered
from hpt_ray.data.datasets._names import classes, numbers
from hpt_ray.data.datasets._samples import Label, image_kinds, labels
from hpt_ray.data.datasets._samples import groups as sample_groups
from hpt_ray.data.datasets._shards import Shards, shards
from hpt_ray.data.datasets._tar import tar
from hpt_ray.data.place import Place
from hpt_ray.data.records import Example, Records, Source


@dataclass(frozen=True)
class _Image:
    """An image in a tar, and what is known of it."""

    place: Place
    name: str
    label: Label
    split: str | None
    group: str | None

    @property
    def where(self) -> str:
        return f"{self.place.file}, {self.name}"


def dataset(argument: str | None) -> Source:
    """A tar, a folder of tars, or a pattern.

    Raises:
        DataError: for a shard that cannot be read, shards without images, and labels that cannot be any.
    """
    place = shards("webdataset", argument, ".tar")
    names = place.folder / "classes.json"
    files = [*place.files, names] if names.is_file() else list(place.files)
    look = functools.partial(_look, place, files, names)
    return remembered.source(f"webdataset:{argument}", place.folder, remembered.state_of_files(map(str, files)), look)


def _look(place: Shards, files: Sequence[Path], names: Path) -> Source:
    content = cache.fingerprint(files, place.folder)
    tars = [tar(file) for file in place.files]
    samples = [
        (held, split, sample) for held, split in zip(tars, place.splits(), strict=True) for sample in held.samples
    ]
    pictured = [each for each in samples if each[2].images]
    if not pictured:
        raise DataError(
            f"{place.folder} has shards without images (samples: {len(samples):,}); name them KEY.jpg, KEY.png, ..."
        )
    kinds, remarks = image_kinds([sample for _, _, sample in pictured])

    def where(place: int) -> str:
        held, _, sample = pictured[place]
        return f"{held.path}, {sample.key}"

    labelling = labels([sample for _, _, sample in pictured], where)
    groups, key = sample_groups([sample for _, _, sample in pictured], where)
    images = [
        _Image(sample.images[kind], f"{sample.key}.{kind}", label, split, group)
        for (_, split, sample), kind, label, group in zip(pictured, kinds, labelling.values, groups, strict=True)
    ]
    lost = len(samples) - len(images)
    links = sum(held.links for held in tars)
    cut = [held.path.name for held in tars if held.cut]
    remarks += [
        *([labelling.remark] if labelling.remark else []),
        *([f"samples without an image passed over: {lost:,}"] if lost else []),
        *([f"{links:,} links, devices or sparse files passed over"] if links else []),
        *([f"{', '.join(cut[:5])}: the end mark of a tar is missing, it may have been cut"] if cut else []),
    ]
    return Source(
        place.name,
        content_id(["webdataset, groups" if key else "webdataset", content], length=32),
        lambda: _records(place.folder, images, names),
        labels=labelling.lacking,
        given_by="its file names",
        remarks=(*remarks, *place.remarks()),
        grouped_by=f"{key!r} in .json" if key else "",
        folder=str(place.folder.absolute()),
    )


def _records(folder: Path, images: Sequence[_Image], listed: Path) -> Records:
    names = classes(folder, (image.label for image in images), [], listed)
    indices = numbers([image.label for image in images], names, lambda i: images[i].where)
    examples = [
        Example(image.place, image.where, index, image.split, name=image.name, group=image.group)
        for image, index in zip(images, indices, strict=True)
    ]
    return Records(len(images), names, examples)
