"""A data set in a line or two: how many images and classes it has, and where its splits come from."""

from __future__ import annotations

from collections.abc import Iterable

from hpt_ray.core.text import visible
from hpt_ray.data import conflicts
from hpt_ray.data.dataset import Dataset
from hpt_ray.data.records import SPLITS
from hpt_ray.data.splits import RULE


def lines(datasets: Iterable[Dataset]) -> list[str]:
    """A line for each data set, and one for each remark on how it was read."""
    inventory_lines = []
    for data in datasets:
        sizes = ", ".join(f"{name} {len(data.splits[name]):,}" for name in SPLITS)
        classes = len(data.classes)
        kinds = "no labels" if not classes else "1 class" if classes == 1 else f"{classes:,} classes"
        inventory_lines.append(f"{data.name}: {len(data.images):,} images, {kinds}; {sizes} ({origin(data)}).")
        inventory_lines += [f"{data.name}: {remark}." for remark in (*data.remarks, conflicts.remark(data)) if remark]
    return [visible(line) for line in inventory_lines]


def origin(data: Dataset) -> str:
    """Where the splits come from: ``train and test given by its folders; val is 10 % of train, drawn by class``."""
    parts = [f"{' and '.join(data.given)} given by {data.given_by}"] if data.given else []
    drawn = [name for name in ("val", "test") if name not in data.given and len(data.splits[name])]
    if drawn:
        shares = " and ".join(f"{name} is {100 * RULE[name]:g} %" for name in drawn)
        parts.append(f"{shares} of {'train' if data.given else 'the labelled images'}, drawn by class")
    return "; ".join(parts) or "none given: all images serve pretraining"
