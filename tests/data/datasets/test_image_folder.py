from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache as caches
from hpt_ray.data.dataset import load
from hpt_ray.data.datasets import image_folder


def _save(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    return path


def _tree(root: Path, *folders: str, count: int = 10) -> None:
    for k, folder in enumerate(folders):
        for i in range(count):
            _save(root / folder / f"{i:02}.png", 100 * k + i)


def test_class_folders_are_torchvisions(tmp_path: Path) -> None:
    root = tmp_path / "birds"
    _tree(root, "wren", "owl", "crow/young")
    (root / "notes.txt").touch()
    (root / ".hidden.png").touch()
    data, reference = load(str(root), 8), ImageFolder(str(root))
    assert data.name == "birds"
    assert list(data.classes) == reference.classes
    assert data.labels.tolist() == reference.targets
    assert np.array_equal(data.images, np.stack([np.asarray(image).transpose(2, 0, 1) for image, _ in reference]))
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 21, "val": 3, "test": 6}


def test_split_folders_are_kept(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "train/a", "train/b", "Validation/a", "test/b", count=4)
    data = load(str(tmp_path / "x"), 8)
    assert data.classes == ("a", "b")
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 8, "val": 4, "test": 4}
    assert set(data.labels[data.splits["test"]]) == {1}


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "bus", "train")
    assert load(str(tmp_path / "x"), 8).classes == ("bus", "train")


def test_flat_folder_is_for_pretraining_only(tmp_path: Path) -> None:
    _tree(tmp_path, "photos")
    data = load(f"image_folder:{tmp_path / 'photos'}", 8)
    assert len(data.pretraining()) == 10
    with pytest.raises(DataError, match="has no labels"):
        data.evaluation()


def test_one_class_is_for_pretraining_only(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "only")
    with pytest.raises(DataError, match=r"one class only \(only\)"):
        load(str(tmp_path / "x"), 8).evaluation()


def test_a_link_to_elsewhere_is_followed(tmp_path: Path) -> None:
    _tree(tmp_path / "other", "a")
    _tree(tmp_path / "x", "b")
    (tmp_path / "x" / "a").symlink_to(tmp_path / "other" / "a")
    assert load(str(tmp_path / "x"), 8).classes == ("a", "b")


def test_bad_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty has no images in it"):
        load(str(tmp_path / "empty"), 8)
    with pytest.raises(DataError, match="No such file"):
        load(f"image_folder:{tmp_path / 'gone'}", 8)
    with pytest.raises(DataError, match="needs a path"):
        load("image_folder", 8)
    _tree(tmp_path / "mixed", "a", "b")
    stray = _save(tmp_path / "mixed" / "stray.png", 9)
    with pytest.raises(DataError, match=f"loose images such as {stray}"):
        load(str(tmp_path / "mixed"), 8)
    _tree(tmp_path / "more", "train", "test", "extra")
    with pytest.raises(DataError, match=r"extra.* lies beside the train/val/test folders"):
        load(str(tmp_path / "more"), 8)


def test_loops_of_links(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "a", "b")
    (tmp_path / "x" / "a" / "again").symlink_to(tmp_path / "x")
    with pytest.raises(DataError, match="again is a symbolic link to a folder above it"):
        load(str(tmp_path / "x"), 8)
    (tmp_path / "x" / "a" / "again").unlink()
    (tmp_path / "x" / "a" / "self.png").symlink_to(tmp_path / "x" / "a" / "self.png")
    with pytest.raises(DataError, match=r"self\.png cannot be"):
        load(str(tmp_path / "x"), 8)


def test_a_corrupt_image_is_named_and_nothing_is_left(tmp_path: Path, cache: Path) -> None:
    _tree(tmp_path / "x", "a", "b")
    bad = tmp_path / "x" / "b" / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 no more")
    with pytest.raises(DataError, match=f"{bad} "):
        load(str(tmp_path / "x"), 8)
    assert not any(len(path.name) == 32 for path in (cache / "decoded").iterdir())


def _read(root: Path) -> tuple[set[str], dict[str, int]]:
    """The classes, and how many images each split was given."""
    records = image_folder.dataset(str(root)).read()
    splits = [example.split or "none" for example in records.examples]
    return set(records.classes), {split: splits.count(split) for split in splits}


@pytest.mark.parametrize(
    "splits",
    [
        {"seg_train": "train", "seg_test": "test"},
        {"train": "train", "test1": "test"},
        {"TrainImages": "train", "ValImages": "val"},
        {"trainset": "train", "testset": "test"},
        {"train.X1": "train", "val.X": "val"},
        {"train_val": "train", "test": "test"},
        {"train": "train", "test_images": "test"},
        {"1-training-2020": "train", "2-valid-2021": "val"},
        {"seg_train/seg_train": "train", "seg_test/seg_test": "test"},
        {"train/images": "train", "test/images": "test"},
        {"pets/pets/train": "train", "pets/pets/test": "test"},
    ],
)
def test_folders_that_are_meant_as_splits(tmp_path: Path, splits: dict[str, str]) -> None:
    _tree(tmp_path / "x", *(f"{top}/{name}" for top in splits for name in ("cat", "dog")), count=2)
    assert _read(tmp_path / "x") == ({"cat", "dog"}, dict.fromkeys(splits.values(), 4))


def test_splits_within_each_class(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "cat/train", "cat/test", "dog/train", "dog/test", count=2)
    assert _read(tmp_path / "x") == ({"cat", "dog"}, {"train": 4, "test": 4})
    _tree(tmp_path / "y", "images/train", "images/val", "labels/train", "labels/val", count=2)
    assert "images and labels hold the same" in image_folder.dataset(str(tmp_path / "y")).remarks[0]
    (tmp_path / "y" / "labels" / "val").rename(tmp_path / "y" / "labels" / "other")
    assert "images: taken for classes" in image_folder.dataset(str(tmp_path / "y")).remarks[0]


@pytest.mark.parametrize("folders", [("bus", "train"), ("bus/red", "train/blue"), ("covid_test", "flu_test")])
def test_classes_with_a_splits_word_in_their_names(tmp_path: Path, folders: tuple[str, str]) -> None:
    _tree(tmp_path / "x", *folders, count=1)
    assert _read(tmp_path / "x") == ({folder.split("/")[0] for folder in folders}, {"none": 2})


@pytest.mark.parametrize("folders", [("train_cat", "train_dog", "test_cat"), ("train/cat", "train/dog", "predict")])
def test_splits_words_that_are_no_splits_are_told_of(tmp_path: Path, folders: tuple[str, ...]) -> None:
    _tree(tmp_path / "x", *folders, count=1)
    assert "taken for classes; name splits train" in image_folder.dataset(str(tmp_path / "x")).remarks[0]


def test_test_images_without_class_folders_beside_train(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "train/cat", "train/dog", "test_images", count=1)
    assert _read(tmp_path / "x") == ({"cat", "dog"}, {"train": 2, "test": 1})


def test_folders_that_hold_the_same_are_told_of_or_refused(tmp_path: Path) -> None:
    _tree(tmp_path / "x", *(f"{top}/{name}" for top in ("north", "south") for name in ("cat", "dog")), count=1)
    assert (
        "north and south hold the same sub-folders (cat, dog)" in image_folder.dataset(str(tmp_path / "x")).remarks[0]
    )
    (tmp_path / "x" / "north").rename(tmp_path / "x" / "train")
    with pytest.raises(DataError, match="south and train hold the same sub-folders"):
        image_folder.dataset(str(tmp_path / "x"))
    (tmp_path / "x" / "train").rename(tmp_path / "x" / "cat")
    (tmp_path / "x" / "south").rename(tmp_path / "x" / "dog")
    _tree(tmp_path / "x", "pets/cat", "pets/dog", count=1)
    with pytest.raises(DataError, match="pets holds the folders beside it once more"):
        image_folder.dataset(str(tmp_path / "x"))


@pytest.mark.parametrize("splits", [("train",), ("train", "test"), ("images",)])
def test_domains_with_the_same_classes_below_are_told_of(tmp_path: Path, splits: tuple[str, ...]) -> None:
    """Two data sets side by side, each with its splits: their names are classes to whoever looks at the top alone."""
    _tree(tmp_path / "x", *(f"{top}/{split}/{name}" for top in "AB" for split in splits for name in ("cat", "dog")))
    assert any(
        "A and B hold the same sub-folders (cat, dog" in line
        for line in image_folder.dataset(str(tmp_path / "x")).remarks
    )
    _tree(tmp_path / "y", *(f"{name}/{split}" for name in ("cat", "dog") for split in splits))
    assert not any("same sub-folders" in line for line in image_folder.dataset(str(tmp_path / "y")).remarks)


def test_a_folder_in_a_folder_is_entered(tmp_path: Path) -> None:
    _tree(tmp_path / "pets", "pets/cat", "pets/dog", count=2)
    (tmp_path / "pets" / "readme.txt").touch()
    source = image_folder.dataset(str(tmp_path / "pets"))
    assert set(source.read().classes) == {"cat", "dog"}
    assert source.fingerprint == image_folder.dataset(str(tmp_path / "pets" / "pets")).fingerprint
    assert source.remarks == ("1 file passed over: .txt 1", "pets is all there is in the folder, and was entered")


def test_a_val_folder_without_class_folders_has_no_labels(tmp_path: Path) -> None:
    _tree(tmp_path / "x", "train/n1/images", "train/n2/images", "val/images", count=3)
    source = image_folder.dataset(str(tmp_path / "x"))
    assert source.read().classes == ("n1", "n2")
    assert source.remarks == ("val has no class folders: its 3 images in images have no label",)
    with pytest.raises(DataError, match="no labelled images in val: its 3 images have no label; label them, or give"):
        load(str(tmp_path / "x"), 8).evaluation()


def test_what_systems_leave_is_passed_over(tmp_path: Path) -> None:
    left = [
        "@eaDir/0.jpg",
        "a/@eaDir/1.jpg",
        "#recycle/a",
        "$RECYCLE.BIN/x",
        "lost+found",
        "__MACOSX/a",
        "a/.ipynb_checkpoints",
    ]
    _tree(tmp_path / "x", "a", "b", *left, count=1)
    (tmp_path / "x" / "a" / "Thumbs.db").write_bytes(b"x")
    source = image_folder.dataset(str(tmp_path / "x"))
    assert (source.read().classes, source.read().count, source.remarks) == (("a", "b"), 2, ())


def test_images_are_known_by_their_first_bytes(tmp_path: Path, cache: Path) -> None:
    root = tmp_path / "x"
    _tree(root, "a", "b", count=1)
    picture = Image.open(root / "a" / "00.png")
    for i, kind in enumerate(["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG2000"]):
        picture.save(root / "a" / f"image{i}", kind)
    picture.save(root / "b" / "1.2.840.113619", "PNG")
    picture.save(root / "b" / "photo.jfif", "JPEG")
    (root / "lost" / "deeper").mkdir(parents=True)
    for name in ("b/README", "b/notes.txt", "lost/deeper/photo.heic", "b/other.heic"):
        (root / name).write_text("BM is no bitmap here")
    source = image_folder.dataset(str(root))
    assert source.read().count == 2 + 8 + 2
    assert source.remarks == (
        "4 files passed over: .heic 2, no suffix 1, .txt 1; no image that can be read is in lost/deeper",
    )
    assert len(load(str(root), 8).images) == 12


def test_what_was_read_rightly_keeps_its_fingerprint(tmp_path: Path) -> None:
    layouts = {"split": ["train/a", "train/b", "test/a", "test/b"], "classes": ["a", "b"], "flat": ["."], "one": ["a"]}
    for name, folders in layouts.items():
        root = tmp_path / name
        _tree(root, *folders, count=1)
        files = sorted(root.rglob("*.png"))
        assert image_folder.dataset(str(root)).fingerprint == caches.fingerprint(files, root), name
    root = tmp_path / "seg"
    _tree(root, "seg_train/a", "seg_train/b", "seg_test/a", "seg_test/b", count=1)
    # Not what may be cached of it from when its splits were taken for classes.
    assert image_folder.dataset(str(root)).fingerprint != caches.fingerprint(sorted(root.rglob("*.png")), root)


@pytest.mark.parametrize("links", [2, 3])
def test_links_that_meet_again_and_again_are_refused_at_once(tmp_path: Path, links: int) -> None:
    for level in range(24):
        (tmp_path / f"{level:02}").mkdir()
        for link in range(links):
            (tmp_path / f"{level:02}" / f"to{link}").symlink_to(tmp_path / f"{level + 1:02}")
    _save(tmp_path / "24" / "1.png", 1)
    before = time.process_time()
    with pytest.raises(DataError, match=r"is one of more than 100 paths to one folder, .*/\d\d, by symbolic links"):
        load(str(tmp_path / "00"), 8)
    assert time.process_time() - before < 5


def test_a_folder_may_be_reached_by_several_links(tmp_path: Path) -> None:
    _save(tmp_path / "pool" / "1.png", 1)
    (tmp_path / "x").mkdir()
    for name in ("ant", "bee"):
        (tmp_path / "x" / name).symlink_to(tmp_path / "pool")
    data = load(str(tmp_path / "x"), 8)
    assert (data.classes, data.labels.tolist()) == (("ant", "bee"), [0, 1])


def test_a_folder_may_lie_deeper_than_pythons_stack(tmp_path: Path) -> None:
    folders = [tmp_path / "x"]
    for _ in range(1_000):
        folders.append(folders[-1] / "d")
    for folder in folders:
        folder.mkdir()
    image = _save(folders[-1] / "1.png", 1)
    try:
        assert len(load(str(tmp_path / "x"), 8).images) == 1
    finally:  # what removes the test's folder would not get down there
        image.unlink()
        for folder in reversed(folders):
            folder.rmdir()
