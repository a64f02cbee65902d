"""A data set in a line or two: how many images and classes it has, and where its splits come from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hpt_ray.core.channels import RGB
from hpt_ray.core.text import visible
from hpt_ray.data import conflicts, groups
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
        remarks = [pictures(data), *data.remarks, *groups.lines(data), conflicts.remark(data)]
        inventory_lines += [f"{data.name}: {remark}." for remark in remarks if remark]
    return [visible(line) for line in inventory_lines]


def pictures(data: Dataset) -> str:
    """How large the images are, and their channels and depth: ``64 x 64 px, RGB of 8 bits``."""
    order = np.argsort(data.sizes.prod(axis=1, dtype=np.int64), kind="stable")
    smallest, middle, largest = (
        f"{width:,} x {height:,}" for height, width in data.sizes[order[[0, len(order) // 2, -1]]].tolist()
    )
    extent = smallest if (data.sizes == data.sizes[0]).all() else f"{smallest} to {largest} (median {middle})"
    counted = sorted(data.forms.items(), key=lambda item: (-item[1], item[0]))
    forms = [
        f"{number:,} {'with ' * form[0].isdigit()}{form}" if len(counted) > 1 else form for form, number in counted
    ]
    read_as = READ_AS if data.channels_read == RGB else {**READ_AS, "grey": ""}
    read = [how for word, how in read_as.items() if how and any(word in form for form in data.forms)]
    if data.channels_read != RGB:
        read.append(_chosen(data))
    return f"{extent} px, {', '.join(forms)}" + (f" ({'; '.join(read)})" if read else "")


def _chosen(data: Dataset) -> str:
    if isinstance(data.channels_read, tuple):
        return f"bands {', '.join(map(str, data.channels_read))} are read, which count from 1"
    return "its one channel is read" if data.channels == 1 else f"all {data.channels} channels are read"


#: What becomes of channels that are not red, green and blue, by what their form is called.
READ_AS = {
    "grey": "grey is repeated in three channels",
    "transparency": "what is transparent is laid over white",
    "palette": "a palette is its colours",
    "CMYK": "CMYK is converted to RGB",
}


def origin(data: Dataset) -> str:
    """Where the splits come from: ``train and test given by its folders; val is 10 % of train, drawn by class``."""
    parts = [f"{' and '.join(data.given)} given by {data.given_by}"] if data.given else []
    drawn = [name for name in ("val", "test") if name not in data.given and len(data.splits[name])]
    if drawn:
        shares = " and ".join(f"{name} is {100 * RULE[name]:g} %" for name in drawn)
        whole, unit, how = "train" if data.given else "the labelled images", "", "class"
        if data.groups is not None:
            unit, how = "the groups of ", "class and group"
        parts.append(f"{shares} of {unit}{whole}, drawn by {how}")
    return "; ".join(parts) or "none given: all images serve pretraining"
