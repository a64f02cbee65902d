"""Test images of one data set that stand in train or val of another, or look like them."""

from __future__ import annotations

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.leakage import remarks
from hpt_ray.execute.manifest import shared
from hpt_ray.planning.plan import Plan
from hpt_ray.planning.stage import Stage
from hpt_ray.planning.unfold import make_plan
from tests.support import small
from tests.support.places import SHARED_DATA


def picture(seed: int) -> Image.Image:
    """Smooth, as images are: noise would not survive compression."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((32, 32), Image.Resampling.BICUBIC)


def folder(root: Path, **splits: range | list[int]) -> Path:
    """Two classes under each split; the numbers are the pictures' seeds."""
    for split, seeds in splits.items():
        for place, seed in enumerate(seeds):
            path = root / split / "ab"[place % 2] / f"{place:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed).save(path)
    return root


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Dataset]:
    """A base with three test images of ``one`` in train and one of ``two`` in val, and a compressed one of ``one``."""
    root = tmp_path_factory.mktemp("sets")
    folder(root / "base", train=[*range(20), 200, 201, 202], val=[20, 21, 301], test=[22, 23])
    picture(203).save(root / "base" / "train" / "a" / "near.jpg", quality=75)
    folder(root / "one", train=[*range(100, 120), 204], val=[120, 121], test=[*range(200, 205)])
    folder(root / "two", train=range(130, 150), val=[150, 151, 200], test=[300, 301])
    return {name: load(str(root / name), 32) for name in ("base", "one", "two")}


def apart(sets: dict[str, Dataset], data: str, *targets: str) -> Dataset:
    return dataclasses.replace(sets[data], apart=tuple(sets[target] for target in targets))


def contents(data: Dataset, split: str) -> set[bytes]:
    return {data.images[i].tobytes() for i in data.splits[split]}


def test_test_images_of_targets_are_left_out_of_pretraining_elsewhere(sets: dict[str, Dataset]) -> None:
    assert len(sets["base"].pretraining()) == 27
    for targets, left in ((["one"], 24), (["two"], 26), (["one", "two"], 23), (["one", "one"], 24)):
        data = apart(sets, "base", *targets)
        seen = {data.images[i].tobytes() for i in data.pretraining()}
        assert len(seen) == left
        assert not any(seen & contents(sets[target], "test") for target in targets)
        assert len(data.left_out) == 27 - left
        for fraction in (0.2, 0.7):
            assert set(data.pretraining(fraction, 1)) <= set(data.pretraining())
    # Nor does one target pretrain on another's, while its own evaluation has all it had.
    two = apart(sets, "two", "one", "two")
    assert len(two.pretraining()) == 22
    assert len(two.evaluation()["val"]) == 3


def test_the_promise_is_checked_on_content(sets: dict[str, Dataset]) -> None:
    data = apart(sets, "base", "one")
    data.__dict__["left_out"] = data.left_out[1:]
    with pytest.raises(DataError, match="1 test images are also in pretraining"):
        data.pretraining()


def test_what_is_left_out_and_not_for_whom_is_the_identity(sets: dict[str, Dataset]) -> None:
    one, both = apart(sets, "base", "one"), apart(sets, "base", "one", "two")
    assert one.without and both.without and one.without != both.without
    assert one.without == apart(sets, "base", "one", "one").without
    assert sets["base"].without is apart(sets, "one", "two").without is apart(sets, "one", "one").without is None


def base_stage(base: Dataset, target: Dataset) -> tuple[Plan, Stage]:
    plan = make_plan(small.study(), {small.BASE: base, small.TARGET: target})
    (stage,) = [stage for stage in plan.stages.values() if stage.kind == "pretrain" and stage.data == small.BASE]
    return plan, stage


def test_stages_keep_their_ids_unless_something_is_left_out(sets: dict[str, Dataset]) -> None:
    target = sets["one"]
    before, old = base_stage(sets["base"], target)
    unrelated, same = base_stage(apart(sets, "base", "base"), target)
    assert unrelated.stages == before.stages and same == old
    assert "without" not in old.content.model_dump() and old.apart == ()
    after, new = base_stage(apart(sets, "base", "one", "two"), target)
    assert new.id != old.id
    assert new.content == old.content.model_copy(update={"without": apart(sets, "base", "one", "two").without})
    assert new.apart == (sets["one"].spec, sets["two"].spec)
    # What does not come from the base is as it was.
    assert {stage.id for stage in before.stages.values() if stage.needs is None and stage != old} <= set(after.stages)


def test_remarks_name_the_data_sets_and_the_numbers(sets: dict[str, Dataset]) -> None:
    base = dataclasses.replace(apart(sets, "base", "one", "two"), excluded=2)
    assert remarks([base, apart(sets, "one", "one", "two")]) == [
        "base: 2 images are also test images of its own: left out of train and val.",
        "base: 3 images are also test images of one: left out of pretraining.",
        "base: 1 image is also a test image of two: left out of pretraining.",
        "one: 1 image is also a test image of its own: left out of train and val.",
    ]


def test_near_duplicates_are_counted_and_shown(sets: dict[str, Dataset]) -> None:
    base, one, two = apart(sets, "base", "one", "two"), sets["one"], sets["two"]
    found = shared(base, one)
    assert (found.target, found.test, found.copies, found.near, found.images) == ("one", 5, 3, 1, 1)
    (pair,) = found.examples
    left, right = (np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in pair)
    assert np.array_equal(left, np.asarray(picture(203)))
    assert not np.array_equal(left, right) and np.abs(left.astype(int) - right).mean() < 10
    other = shared(base, two)
    assert (other.test, other.copies, other.near, other.images, other.examples) == (2, 1, 0, 0, ())
    own = shared(apart(sets, "one", "one", "two"), one)
    assert (own.copies, own.near) == (1, 0)


def test_the_nearest_six_test_images_are_shown_once_each(tmp_path: Path) -> None:
    folder(tmp_path, train=range(100, 120), val=[120, 121], test=range(8))
    for seed in range(8):
        for copy, quality in enumerate((95, 50)):
            picture(seed).save(tmp_path / "train" / "a" / f"{seed}-{copy}.jpg", quality=quality)
    data = load(str(tmp_path), 32)
    found = shared(data, data)
    assert (found.near, found.images) == (8, 16)
    assert len(found.examples) == len({test for test, _ in found.examples}) == 6


def test_brain_mri_holds_slices_of_the_same_patients() -> None:
    """A real case: no file or decoded image is in two splits, and yet some are."""
    place = SHARED_DATA / "brain_mri"
    if not place.exists():
        pytest.skip("brain_mri is not here")
    data = load(str(place), 64)
    found = shared(data, data)
    assert (found.test, found.copies) == (301, 0)
    assert 5 <= found.near <= 12  # by eye: two pictures twice, the others neighbouring slices
