from __future__ import annotations

import dataclasses

from hpt_ray.data import inventory
from hpt_ray.data.dataset import load


def test_what_a_data_set_was_found_to_be() -> None:
    data = dataclasses.replace(load("digits", 8), remarks=("3 files passed over: .txt 3",))
    assert inventory.lines([data]) == [
        "digits: 1,797 images, 10 classes; train 1,258, val 180, test 359 "
        "(val is 10 % and test is 20 % of the labelled images, drawn by class).",
        "digits: 3 files passed over: .txt 3.",
    ]


def test_where_splits_come_from() -> None:
    data = dataclasses.replace(load("digits", 8), given_by="its folders")
    some, every = (dataclasses.replace(data, given=given) for given in (("train", "test"), ("train", "val", "test")))
    assert inventory.origin(some) == "train and test given by its folders; val is 10 % of train, drawn by class"
    assert inventory.origin(every) == "train and val and test given by its folders"
    alone = dataclasses.replace(data, splits={**data.splits, "val": data.labels[:0], "test": data.labels[:0]})
    assert inventory.origin(alone) == "none given: all images serve pretraining"
