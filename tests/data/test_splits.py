from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedShuffleSplit

from hpt_ray.core.errors import DataError
from hpt_ray.data.splits import complete, strata


def _none(labels: np.ndarray) -> np.ndarray:
    return np.full(len(labels), "", dtype="U5")


def test_made_splits_are_stratified_like_scikit_learns() -> None:
    labels = np.random.default_rng(0).choice(7, p=[0.4, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02], size=1000)
    splits = complete("x", labels, _none(labels))
    _, test = next(StratifiedShuffleSplit(1, test_size=200, random_state=0).split(labels, labels))
    ours = np.bincount(labels[splits["test"]], minlength=7)
    assert np.abs(ours - np.bincount(labels[test], minlength=7)).max() <= 1
    assert {name: len(chosen) for name, chosen in splits.items()} == {"train": 700, "val": 100, "test": 200}


@pytest.mark.parametrize("per_class", [1, 2, 4, 5])
def test_small_classes_still_give_exact_totals(per_class: int) -> None:
    labels = np.repeat(np.arange(100), per_class)
    splits = complete("x", labels, _none(labels))
    assert len(splits["test"]) == round(0.2 * len(labels))
    assert len(splits["val"]) == round(0.1 * len(labels))
    assert np.bincount(labels[splits["test"]]).max() <= np.ceil(0.2 * per_class)


def test_of_several_labels_the_rarest_decides() -> None:
    labels = np.full(6, -1)
    assert strata(labels, None) is labels
    targets = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 1], [0, -1, 0], [-1, -1, -1], [0, 1, 0]], dtype=np.int8)
    # Class 2 has one positive, class 1 and class 0 have three: of equals the first.
    assert strata(labels, targets).tolist() == [0, 0, 2, 3, -1, 1]


def test_rare_classes_get_their_share_of_made_splits() -> None:
    targets = (np.random.default_rng(0).random((1000, 5)) < [0.5, 0.4, 0.3, 0.1, 0.03]).astype(np.int8)
    groups = strata(np.full(1000, -1), targets)
    splits = complete("x", groups, _none(groups))
    rare = targets[:, 4]
    assert abs(rare[splits["test"]].sum() - 0.2 * rare.sum()) <= 1
    assert abs(rare[splits["val"]].sum() - 0.1 * rare.sum()) <= 1


def test_splits_are_a_sorted_partition_and_always_the_same() -> None:
    labels = np.random.default_rng(1).integers(0, 5, 503)
    splits = complete("x", labels, _none(labels))
    again = complete("x", labels, _none(labels))
    assert np.array_equal(np.sort(np.concatenate(list(splits.values()))), np.arange(503))
    for name, chosen in splits.items():
        assert np.all(np.diff(chosen) > 0)
        assert np.array_equal(chosen, again[name])


def test_given_splits_are_kept() -> None:
    labels = np.arange(30) % 3
    given = np.array(["train", "val", "test"])[np.arange(30) // 10]
    splits = complete("x", labels, given)
    assert [chosen.tolist() for chosen in splits.values()] == [
        list(range(0, 10)),
        list(range(10, 20)),
        list(range(20, 30)),
    ]


@pytest.mark.parametrize(
    ("present", "sizes"),
    [({"train", "test"}, (90, 10, 20)), ({"train", "val"}, (80, 20, 20)), ({"train"}, (70, 10, 20))],
)
def test_missing_splits_are_taken_from_train_alone(present: set[str], sizes: tuple[int, int, int]) -> None:
    labels = np.arange(120) % 2
    given = np.array(["train"] * 100 + [next(iter(present - {"train"}), "")] * 20)
    labels, given = labels[given != ""], given[given != ""]
    splits = complete("x", labels, given)
    assert tuple(len(chosen) for chosen in splits.values()) == sizes
    for name in present - {"train"}:
        assert splits[name].tolist() == list(range(100, 120))


def test_unlabelled_images_go_to_train() -> None:
    labels = np.where(np.arange(100) < 50, np.arange(100) % 2, -1)
    splits = complete("x", labels, _none(labels))
    assert set(range(50, 100)) <= set(splits["train"].tolist())
    assert len(splits["test"]) == 10
    unlabelled = np.full(20, -1)
    assert [len(chosen) for chosen in complete("x", unlabelled, _none(unlabelled)).values()] == [20, 0, 0]


@pytest.mark.parametrize(
    ("given", "says"), [(["train", "", "test"], "1 images have no split"), (["test"] * 3, "no train")]
)
def test_splits_that_cannot_be_used(given: list[str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        complete("x", np.zeros(3, dtype=np.int64), np.array(given, dtype="U5"))
