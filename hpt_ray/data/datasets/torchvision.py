"""torchvision's classification data sets by name: ``torchvision:CIFAR10,download=yes,root=FOLDER``.

Nothing is downloaded unless ``download=yes`` asks for it. The root is a folder of its own in the cache unless given.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.core.paths import path_of
from hpt_ray.data import cache
from hpt_ray.data.records import SPLITS, Example, Records, Source, options

#: What torchvision's data sets call each split, the first that a data set knows being taken.
CALLED = {"train": ("train", "trainval"), "val": ("val", "valid"), "test": ("test",)}


#: Those whose targets are class numbers and whose splits are given by ``train``, by ``split``, or not at all.
CLASSIFICATION = (
    "CIFAR10",
    "CIFAR100",
    "Country211",
    "DTD",
    "EuroSAT",
    "FGVCAircraft",
    "FashionMNIST",
    "Flowers102",
    "Food101",
    "GTSRB",
    "Imagenette",
    "KMNIST",
    "MNIST",
    "OxfordIIITPet",
    "PCAM",
    "RenderedSST2",
    "STL10",
    "SVHN",
    "USPS",
)


def dataset(argument: str | None) -> Source:
    """One of ``CLASSIFICATION``."""
    name, chosen = options("torchvision", argument, {"download": "no", "root": ""})
    if name not in CLASSIFICATION:
        raise UnknownNameError("torchvision data set", name, CLASSIFICATION)
    if chosen["download"] not in ("yes", "no"):
        raise DataError(f"torchvision:{argument}: download is yes or no, not {chosen['download']!r}.")
    root = path_of(chosen["root"]) if chosen["root"] else cache.root() / "torchvision" / name
    if chosen["download"] == "yes":
        _download(name, root)
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not files:
        raise DataError(f"torchvision:{name} is not in {root}; write torchvision:{name},download=yes to download it.")
    return Source(name, cache.fingerprint(files, root), lambda: _read(name, root))


def _download(name: str, root: Path) -> None:
    """Fetch every split once; torchvision checks the archives' checksums."""
    done = root / ".downloaded"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / ".lock"):
            if not done.exists():
                _parts(name, root, download=True)
                done.touch()
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"torchvision:{name} cannot be downloaded to {root} ({error}); try again or give root=."
        ) from error


def _parts(name: str, root: Path, download: bool) -> dict[str | None, Any]:
    """The data set's given splits; under None the whole, if it has none."""
    # Here, because torch takes seconds to import and a cached load needs none of it.
    from torchvision import datasets

    kind = getattr(datasets, name)
    parameters = inspect.signature(kind).parameters
    if "train" in parameters:
        return {split: kind(str(root), train=split == "train", download=download) for split in ("train", "test")}
    if "split" not in parameters:
        return {None: kind(str(root), download=download)}
    parts: dict[str | None, Any] = {}
    for split in SPLITS:
        for called in CALLED[split]:
            try:
                parts[split] = kind(str(root), split=called, download=download)
                break
            # How torchvision says that a data set has no such split.
            except ValueError:
                continue
    return parts


def _read(name: str, root: Path) -> Records:
    try:
        parts = _parts(name, root, download=False)
    except (OSError, RuntimeError) as error:
        raise DataError(
            f"torchvision:{name} in {root} cannot be read ({error}); delete the folder and write "
            f"torchvision:{name},download=yes."
        ) from error
    classes = getattr(next(iter(parts.values())), "classes", None) or _numbered(parts)
    count = sum(len(part) for part in parts.values())
    return Records(count, tuple(_plain(label) for label in classes), _examples(name, parts))


def _numbered(parts: dict[str | None, Any]) -> list[str]:
    """Class names of a data set that has none: its numbers."""
    return [str(i) for i in range(max(int(part[i][1]) for part in parts.values() for i in range(len(part))) + 1)]


def _plain(label: Any) -> str:
    return label if isinstance(label, str) else ", ".join(map(str, label))


def _examples(name: str, parts: dict[str | None, Any]) -> Iterator[Example]:
    for split, part in parts.items():
        for i in range(len(part)):
            image, target = part[i]
            yield Example(image, f"torchvision:{name} {split or 'image'} {i}", int(target), split)
