"""What a data set was found to be, in a line or two: how many images and classes, and where its splits come from."""

from __future__ import annotations

from collections.abc import Iterable

from hpt_ray.dataset import Dataset
from hpt_ray.records import SPLITS
from hpt_ray.splits import RULE


def lines(datasets: Iterable[Dataset]) -> list[str]:
    """A line for each data set, and one for each remark on how it was read."""
    found = []
    for data in datasets:
        sizes = ", ".join(f"{name} {len(data.splits[name]):,}" for name in SPLITS)
        classes = len(data.classes)
        kinds = "no labels" if not classes else "1 class" if classes == 1 else f"{classes:,} classes"
        found.append(f"{data.name}: {len(data.images):,} images, {kinds}; {sizes} ({origin(data)}).")
        found += [f"{data.name}: {remark}." for remark in data.remarks]
    return found


def origin(data: Dataset) -> str:
    """Where the splits of a data set come from: ``given by its folders; val made: 10 % of train``."""
    made = [name for name in SPLITS if name not in data.given and len(data.splits[name])]
    parts = [f"{' and '.join(data.given)} given by {data.given_by}"] if data.given else []
    if made == ["train"]:
        parts.append("no labels to split by: all is train")
    elif made:
        shares = " and ".join(f"{name} {RULE[name]:.0%}".replace("%", " %") for name in made if name in RULE)
        parts.append(f"made: {shares} of {'train' if data.given else 'all labelled images'}, the same every time")
    return "; ".join(parts)
