from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from hpt_ray.core.errors import DataError, UnknownNameError
from hpt_ray.data.dataset import load
from hpt_ray.data.datasets.torchvision import CLASSIFICATION


def _idx(path: Path, values: np.ndarray) -> None:
    """Write MNIST's file format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes())


def _mnist(root: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    parts = {}
    for split, (stem, count) in {"train": ("train", 60), "test": ("t10k", 20)}.items():
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        _idx(root / "MNIST" / "raw" / f"{stem}-images-idx3-ubyte", images)
        _idx(root / "MNIST" / "raw" / f"{stem}-labels-idx1-ubyte", labels)
        parts[split] = images, labels
    return parts


def test_train_and_test_are_kept_and_val_taken_from_train(tmp_path: Path) -> None:
    parts = _mnist(tmp_path / "root")
    data = load(f"torchvision:MNIST,root={tmp_path / 'root'}", 28)
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 54, "val": 6, "test": 20}
    assert np.array_equal(data.images[data.splits["test"], 0], parts["test"][0])
    assert np.array_equal(data.images[data.pretraining(), 1], parts["train"][0])
    assert np.array_equal(data.labels[data.pretraining()], parts["train"][1])
    assert data.classes == tuple(datasets.MNIST.classes)


def test_a_data_set_without_splits_has_them_made(tmp_path: Path) -> None:
    for name in ("Forest", "River"):
        for i in range(10):
            path = tmp_path / "root" / "eurosat" / "2750" / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8, 3), 9 * i + len(name), dtype=np.uint8)).save(path)
    data = load(f"torchvision:EuroSAT,root={tmp_path / 'root'}", 8)
    assert data.classes == ("Forest", "River")
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 14, "val": 2, "test": 4}


def test_nothing_is_downloaded_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.CIFAR10, "download", lambda self: pytest.fail("downloaded"))
    with pytest.raises(DataError, match=r"write torchvision:CIFAR10,download=yes to download it"):
        load("torchvision:CIFAR10", 32)


def test_a_download_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(self: object) -> None:
        raise RuntimeError("no network\nhere")

    monkeypatch.setattr(datasets.CIFAR10, "download", offline)
    with pytest.raises(DataError, match=r"cannot be downloaded to .* \(no network here\)"):
        load(f"torchvision:CIFAR10,download=yes,root={tmp_path}", 32)


def test_names_exist_and_unknown_ones_are_answered(tmp_path: Path) -> None:
    assert all(hasattr(datasets, name) for name in CLASSIFICATION)
    with pytest.raises(UnknownNameError, match="Did you mean 'CIFAR10'"):
        load("torchvision:CIFAR11", 32)
    with pytest.raises(DataError, match="download is yes or no"):
        load("torchvision:CIFAR10,download=1", 32)
    (tmp_path / "stray").write_bytes(b"x")
    with pytest.raises(DataError, match="cannot be read"):
        load(f"torchvision:CIFAR10,root={tmp_path}", 32)


def test_a_root_may_have_commas_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    with pytest.raises(DataError, match=f"torchvision:MNIST is not in {tmp_path}/a,b; write"):
        load(f"torchvision:MNIST,root={tmp_path}/a,b,download=no", 8)
