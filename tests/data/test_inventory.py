from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.data import inventory
from hpt_ray.data.dataset import load


def test_what_a_data_set_was_found_to_be() -> None:
    data = dataclasses.replace(load("digits", 8), remarks=("3 files passed over: .txt 3",))
    assert inventory.lines([data]) == [
        "digits: 1,797 images, 10 classes; train 1,258, val 180, test 359 "
        "(val is 10 % and test is 20 % of the labelled images, drawn by class).",
        "digits: 8 x 8 px, grey of 8 bits (grey is repeated in three channels).",
        "digits: 3 files passed over: .txt 3.",
    ]


def test_sizes_and_channels_are_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    images = {
        "a.png": Image.new("RGB", (40, 30)),
        "b.png": Image.new("L", (7, 90)),
        "c.png": Image.fromarray(np.arange(200, dtype=np.uint16).reshape(10, 20)),
        "d.png": Image.new("RGBA", (1200, 1000)),
        "e.png": Image.new("1", (8, 8)),
        "f.png": Image.new("P", (9, 9)),
        "g.tif": Image.fromarray(np.linspace(0, 1, 110, dtype=np.float32).reshape(10, 11)),
        "h.jpg": Image.new("CMYK", (16, 16)),
    }
    for name, image in images.items():
        (tmp_path / "x").mkdir(exist_ok=True)
        image.save(tmp_path / "x" / name)
    data = load(str(tmp_path / "x"), 8)
    assert inventory.pictures(data) == (
        "8 x 8 to 1,200 x 1,000 (median 16 x 16) px, 1 CMYK of 8 bits, 1 RGB of 8 bits, 1 RGB with transparency of 8 "
        "bits, 1 black and white of 1 bit, 1 grey of 16 bits, 1 grey of 8 bits, 1 grey of float, 1 palette of 8 bits "
        "(grey is repeated in three channels; what is transparent is laid over white; a palette is its colours; CMYK "
        "is converted to RGB)"
    )
    assert data.sizes[1].tolist() == [90, 7]


def test_where_splits_come_from() -> None:
    data = dataclasses.replace(load("digits", 8), given_by="its folders")
    some, every = (dataclasses.replace(data, given=given) for given in (("train", "test"), ("train", "val", "test")))
    assert inventory.origin(some) == "train and test given by its folders; val is 10 % of train, drawn by class"
    assert inventory.origin(every) == "train and val and test given by its folders"
    alone = dataclasses.replace(data, splits={**data.splits, "val": data.labels[:0], "test": data.labels[:0]})
    assert inventory.origin(alone) == "none given: all images serve pretraining"
