"""A data set as training sees it: its pixels, split, and checked for test leakage.

``load`` turns a spec (a name, ``name:argument`` or a path) into a ``Dataset``. The files in ``datasets/`` read the
sources, ``decode`` makes the pixels, and ``preparing`` has the folder that all processes of a machine map.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hpt_ray.core.channels import RGB, Channels
from hpt_ray.core.errors import DataError
from hpt_ray.core.identity import content_id, stream
from hpt_ray.data import classes, facts
from hpt_ray.data.duplicates import Hashes
from hpt_ray.data.encoded import Encoded
from hpt_ray.data.evaluable import labelled
from hpt_ray.data.groups import Groups
from hpt_ray.data.pixels import Choice, Pixels
from hpt_ray.data.preparing import COLUMNS, IMAGES, Preparation, preparation
from hpt_ray.data.reading import Reading
from hpt_ray.data.records import PUBLISHED, SPLITS
from hpt_ray.data.splits import nested, strata

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set that is ready to be trained on.

    Attributes:
        spec: The name or path that ``load`` was called with.
        name: A short name to show.
        size: Side of the images in pixels.
        images: uint8 [N, C, size, size], RGB by default: an array that is memory-mapped read-only, so that every
            process maps the same pages; or, with the same bytes by index, images that stay encoded.
        sizes: int32 [N, 2], the height and width of each image as it is decoded at full resolution.
        labels: int64 [N], index into ``classes``, -1 without label.
        splits: "train", "val", "test" to sorted indices. An image whose content is also in test is in test alone.
        classes: Names of the classes, () when unlabelled.
        hashes: Content hash of each decoded image, 32 hexadecimal digits as bytes [N].
        perceptual: Perceptual hash of each (see duplicates.py) [N], to find near-duplicates.
        mean, std: Per channel over train + val, in 0..1.
        fingerprint: Of the content, the decoding, the size and the split rule: part of every stage's identity.
        excluded: Number of train and val images that were left out because their content is also in test.
        unlabelled: Why no image has a label, if none has: completes "has ...".
        targets: Of multi-label data int8 [N, C], for each class 1, 0 or -1 (unknown); no image has a label then.
        given: The splits that the source defines; the others were drawn.
        given_by: What defines them: completes "given by ...".
        remarks: What a user should know about how the source was read, one line each.
        forms: How many images have which channels and depth: ``{"RGB of 8 bits": 90}``.
        groups: Which images belong together, as those of a patient do; None: every image is alone.
        channels_read: Which channels of its images are read.
        apart: Other data sets whose test images pretraining must not see.
    """

    spec: str
    name: str
    size: int
    images: npt.NDArray[np.uint8] | Encoded = field(repr=False)
    sizes: npt.NDArray[np.int32] = field(repr=False)
    labels: Indices = field(repr=False)
    splits: dict[str, Indices] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False)
    hashes: npt.NDArray[np.bytes_] = field(repr=False)
    perceptual: Hashes = field(repr=False)
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fingerprint: str
    excluded: int
    unlabelled: str = "no labels"
    targets: npt.NDArray[np.int8] | None = field(default=None, repr=False)
    given: tuple[str, ...] = ()
    given_by: str = PUBLISHED
    remarks: tuple[str, ...] = ()
    forms: dict[str, int] = field(default_factory=dict, repr=False)
    groups: Groups | None = field(default=None, repr=False)
    channels_read: Channels = RGB
    apart: tuple[Dataset, ...] = field(default=(), repr=False)

    @property
    def encoded(self) -> Encoded | None:
        """The images if they stay encoded, so that views are cut at full resolution; None if they are resident."""
        return self.images if isinstance(self.images, Encoded) else None

    @property
    def resident(self) -> npt.NDArray[np.uint8]:
        """The memory-mapped array of the images. Raises TypeError if they stay encoded."""
        if isinstance(self.images, Encoded):
            raise TypeError(f"the images of {self.spec} stay encoded")
        return self.images

    @property
    def channels(self) -> int:
        """How many channels its images have."""
        return len(self.mean)

    @property
    def pixels(self) -> Pixels:
        """How the pixels are kept."""
        return "resident" if self.encoded is None else "encoded"

    @property
    def cached_bytes(self) -> int:
        """What the pixels, or where they stand, take of each machine's cache."""
        return self.resident.nbytes if self.encoded is None else self.encoded.cached_bytes

    @property
    def multilabel(self) -> bool:
        """Whether images have several labels each, and not exactly one."""
        return self.targets is not None

    @cached_property
    def strata(self) -> Indices:
        """The stratum of each image, int64 [N]: its label, or the rarest of several; -1 without a label."""
        return strata(self.labels, self.targets)

    @cached_property
    def pool(self) -> Indices:
        """Sorted indices of the train and val images."""
        return np.sort(np.concatenate([self.splits["train"], self.splits["val"]]))

    @cached_property
    def left_out(self) -> Indices:
        """Sorted indices of the train and val images whose content is also in test of ``apart``."""
        tests = np.concatenate([self.hashes[:0], *(other.hashes[other.splits["test"]] for other in self.apart)])
        return self.pool[np.isin(self.hashes[self.pool], tests)]

    @cached_property
    def without(self) -> str | None:
        """The hash of the images that are left out of pretraining because of ``apart``; None if no image is."""
        return content_id(sorted(self.hashes[self.left_out].astype(str).tolist())) if len(self.left_out) else None

    @cached_property
    def _pretraining(self) -> Indices:
        chosen = np.setdiff1d(self.pool, self.left_out)
        if chosen.size == 0:
            raise DataError(f"{self.spec} has no train or val images outside test: nothing to pretrain on.")
        # Checked again here, on the content of the images, in case the indices are wrong.
        seen = set(self.hashes[chosen].tolist())
        for data in (self, *self.apart):
            if leaked := seen.intersection(data.hashes[data.splits["test"]].tolist()):
                raise DataError(f"{self.spec}: {len(leaked)} test images are also in pretraining; clear the cache.")
        return chosen

    def pretraining(self, fraction: float = 1.0, seed: int = 0) -> Indices:
        """Sorted indices of the train + val images that pretraining may see.

        No image among them has the content of a test image of this data set or of ``apart``.

        A fraction below 1 is a subset of at least one image, stratified by class, where images without a label count as
        one more class. The seed decides which: the subset of a smaller fraction is part of that of a larger one. Of
        images in groups it takes whole groups, and of the last one as many as are missing. Mean and standard deviation
        stay those of all train + val images.

        Raises:
            DataError: if there are none.
        """
        chosen = self._pretraining
        if fraction < 1:
            number, units = max(1, round(fraction * len(chosen))), None if self.groups is None else self.groups.units
            return nested(chosen, self.strata, number, stream(seed, "subset"), units)
        return chosen

    def evaluation(self) -> dict[str, Indices]:
        """The labelled images of each split, as sorted indices, for probes and fine-tuning.

        Raises:
            DataError: if the data set cannot be used for evaluation: see ``evaluable.labelled``.
        """
        return labelled(self)


def load(
    spec: str,
    size: int,
    groups: str | None = None,
    *,
    pixels: Choice = "resident",
    channels: Channels = RGB,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """A data set by name or path, read from the cache if it has this content.

    Its square images of ``size`` pixels are decoded once, or each time that they are needed, which gives equal bytes;
    but views are cut from the square of resident pixels, and at full resolution from encoded ones. So their
    fingerprints differ.

    Args:
        spec: ``digits``, ``synthetic:DOMAIN``, ``torchvision:NAME``, a path, ...: see ``source``.
        size: Side of the decoded images in pixels.
        groups: The rule by which its images are grouped (see ``groups.by_rule``); None: the source's own groups.
        pixels: How they are kept; "auto" is what ``pixels.chosen`` says, and a remark says why.
        channels: Which channels are read: red, green and blue (3), "all", or bands by numbers that count from 1.
        progress: Called with (images done, images) while decoding.

    Raises:
        UnknownNameError: for a name that no file in ``datasets/`` has.
        DataError: for a source that is missing, empty or broken; the message names the file.
    """
    return loaded(preparation(spec, size, groups, pixels, channels), progress)


def loaded(prepared: Preparation, progress: Callable[[int, int], None] | None = None) -> Dataset:
    """The data set that a preparation leads to; see ``load``."""
    folder, data_source = prepared.folder(progress), prepared.source
    stored_facts = facts.read(folder)
    with np.load(folder / COLUMNS, allow_pickle=False) as columns:
        sizes = columns["sizes"]
        if prepared.pixels == "encoded":
            how = Reading.of(stored_facts.reading)
            count = len(stored_facts.mean)
            images = Encoded(folder, data_source.folder, sizes, prepared.size, how, prepared.channels, count)
        else:
            images = np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)
        decoded = Dataset(
            spec=prepared.spec,
            name=data_source.name,
            size=prepared.size,
            images=images,
            sizes=sizes,
            labels=columns["labels"],
            splits={name: columns[name] for name in SPLITS},
            classes=stored_facts.classes,
            hashes=columns["hashes"],
            perceptual=columns["perceptual"],
            mean=stored_facts.mean,
            std=stored_facts.std,
            # If pixel values were scaled by a rule that depends on all images, the rule is part of the fingerprint.
            fingerprint=content_id(["ranges", prepared.key, stored_facts.reading], length=32)
            if stored_facts.reading
            else prepared.key,
            excluded=stored_facts.excluded,
            unlabelled=data_source.labels,
            targets=columns.get("targets"),
            given=stored_facts.given,
            given_by=data_source.given_by,
            remarks=(*data_source.remarks, *stored_facts.remarks, *([prepared.why] if prepared.why else [])),
            forms=stored_facts.forms,
            groups=Groups.stored(columns, data_source.grouped_by, prepared.rule),
            channels_read=prepared.channels,
        )
    return classes.in_normal_form(decoded)
