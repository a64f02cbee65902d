from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from hpt_ray.dataset import load
from hpt_ray.errors import DataError


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
    assert [path.name for path in (cache / "decoded").iterdir() if path.suffix != ".lock"] == []
