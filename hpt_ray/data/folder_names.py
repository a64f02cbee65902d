"""What the name of a folder of images says: that it is a split, or that it groups images and is no class."""

from __future__ import annotations

import re

from hpt_ray.data.records import SPELLINGS, split_name

#: What a folder is called that groups images and is no class.
GENERIC = {"images", "image", "imgs", "img", "jpegimages", "pictures", "photos", "data", "unlabeled", "unlabelled"}

#: A split's word grown together with what it is a split of.
ENDINGS = rf"({'|'.join(sorted(SPELLINGS, key=len, reverse=True))})(set|data|images?|imgs?)(?![a-z])"


def words(folder: str) -> str:
    """A folder's name in lower case and in words, without those that any split may have: of ``TrainImages`` "train"."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", folder).lower()
    spaced = re.sub(r"train[-_. ]?val(?![a-z])", "train", spaced)  # both, and test is held out
    return re.sub(r"(?<![a-z])(data)?(set|data|images?|imgs?)(?![a-z])", " ", re.sub(ENDINGS, r"\1 ", spaced))


def split_of(folder: str) -> str | None:
    """The split a folder's name speaks of: of ``seg_train``, ``test1``, ``TrainImages`` or ``valset``."""
    return split_name(words(folder))


def is_generic(name: str, top: str = "") -> bool:
    """Whether a folder only groups images: by its name, or because it is called like the one above it, ``top``."""
    return name == top or name.lower() in GENERIC or split_of(name) is not None
