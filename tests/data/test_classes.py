from __future__ import annotations

import unicodedata

import numpy as np
import pytest

from hpt_ray.core.errors import DataError
from hpt_ray.data.classes import alike, check_trained, merged

CLASSES = ("cat", "dog", "Cat", "owl")


def _check(train: list[int], val: list[int], test: list[int], given: tuple[str, ...], left_out: list[int]) -> None:
    labels = np.array([*train, *val, *test, *left_out])
    bounds = np.cumsum([0, len(train), len(val), len(test)])
    splits = {name: np.arange(bounds[i], bounds[i + 1]) for i, name in enumerate(("train", "val", "test"))}
    check_trained("pets", CLASSES, labels, splits, given)


def test_names_of_one_spelling_after_normalisation_are_one_class() -> None:
    composed = unicodedata.normalize("NFC", "café")
    decomposed = unicodedata.normalize("NFD", "café")
    found = merged((decomposed, "cat ", composed, "cat", "tea"))
    assert found is not None
    assert found[0] == (composed, "cat", "tea")
    assert found[1].tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("names", [("cat", "Cat"), ("crane", "crane"), (" cat", "dog"), ("", " "), ()])
def test_other_names_stay_as_they_are(names: tuple[str, ...]) -> None:
    assert merged(names) is None


@pytest.mark.parametrize(
    ("train", "val", "test", "says"),
    [
        ([0, 1], [0], [2, 1], r"pets: test has classes that train lacks: 'Cat' \(is it 'cat'\?\)\. Name"),
        ([0, 1], [3], [0, 1], r"val has classes that train lacks: 'owl'\."),
        ([0, 1], [2], [2], "val has classes"),
    ],
)
def test_given_splits_with_classes_that_train_lacks(
    train: list[int], val: list[int], test: list[int], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        _check(train, val, test, ("train", "val", "test"), [])


def test_what_train_had_is_no_fault() -> None:
    # Class 3 left train as copies of test images, or was drawn into val: the user's folders hold it.
    _check([0, 1], [0], [3, 0], ("train", "val", "test"), [3])
    _check([0, 1], [3], [3, 0], ("train", "test"), [])
    _check([0, 1, -1], [0, -1], [1, -1], ("train", "val", "test"), [])


def test_drawn_splits_may_lack_a_rare_class_but_not_all() -> None:
    _check([0, 1], [3], [2, 1], (), [])
    with pytest.raises(DataError, match="no class of test has an image in train"):
        _check([0, 1], [0], [2, 3], (), [])


def test_names_that_differ_in_case_are_remarked_upon() -> None:
    assert alike(CLASSES) == "classes that differ in case only: 'cat' and 'Cat'"
    assert alike(("a", "A", "dog")) is None  # letters of an alphabet are classes of their own
