from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import inventory
from hpt_ray.data.dataset import load
from hpt_ray.data.datasets._shards import gaps, shards
from hpt_ray.data.records import source


def _write(path: Path, count: int, seed: int) -> None:
    images = []
    for values in np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8):
        buffer = io.BytesIO()
        Image.fromarray(values).save(buffer, format="PNG")
        images.append(buffer.getvalue())
    pq.write_table(pa.table({"image": images, "label": np.arange(count) % 2}), path)


@pytest.mark.parametrize("pattern", ["{train,test}-*.parquet", "*-of-*.parquet"])
def test_parquet_shards_by_pattern_are_split_by_their_names(tmp_path: Path, pattern: str) -> None:
    for seed, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        _write(tmp_path / f"{name}.parquet", 10, seed)
    _write(tmp_path / "other.parquet", 10, 9)
    data = load(f"{tmp_path}/{pattern}", 8)
    assert {name: len(chosen) for name, chosen in data.splits.items()} == {"train": 18, "val": 2, "test": 10}
    assert inventory.origin(data).startswith("train and test given by its file names")
    assert data.remarks == ()


def test_a_pattern_of_several_kinds_is_refused(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", 2, 0)
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match=r"must name files of one kind"):
        source(f"{tmp_path}/a.*")


def test_what_a_pattern_is_called(tmp_path: Path) -> None:
    for name in ("train-0.parquet", "1.parquet"):
        (tmp_path / name).touch()
    assert shards("parquet", f"{tmp_path}/train-*.parquet", ".parquet").name == "train"
    assert shards("parquet", f"{tmp_path}/?.parquet", ".parquet").name == tmp_path.name


@pytest.mark.parametrize(
    ("present", "missing"),
    [
        (["train-00000-of-00003", "train-00002-of-00003"], ["train-00001-of-00003"]),
        (["train-00000-of-00002", "test-00000-of-00001"], ["train-00001-of-00002"]),
        (["shard-000", "shard-001", "shard-003"], ["shard-002"]),
        (["shard-9", "shard-11", "shard-12"], ["shard-10"]),
        (["shard-000", "shard-001"], []),
        (["2019", "2021"], []),
        (["scan-17", "scan-4711"], []),
        (["all"], []),
    ],
)
def test_missing_shards_are_named(present: list[str], missing: list[str]) -> None:
    folder = Path("x")
    assert gaps([folder / f"{name}.tar" for name in present]) == [str(folder / f"{name}.tar") for name in missing]


def test_missing_shards_are_remarked(tmp_path: Path) -> None:
    for number in (0, 2):
        _write(tmp_path / f"all-{number:05}-of-00003.parquet", 5, number)
    (remark,) = load(str(tmp_path), 8).remarks
    assert remark == (f"shards are missing, by the numbers of the others: {tmp_path / 'all-00001-of-00003.parquet'}")


def test_images_beside_shards_are_not_read_and_it_is_said(tmp_path: Path) -> None:
    _write(tmp_path / "a.parquet", 10, 0)
    assert load(str(tmp_path), 8).remarks == ()
    for name in ("stray.png", "other.JPG", ".hidden.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, format="PNG")
    found = shards("parquet", str(tmp_path), ".parquet")
    assert found.remarks() == ("2 images lie beside its shards, unread: give such images a folder of their own",)
    assert shards("parquet", str(tmp_path / "a.parquet"), ".parquet").remarks() == ()  # that file was asked for


def test_shards_beside_images_are_not_read_and_it_is_said(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a-000.tar", "w"):
        pass
    for number in range(3):
        Image.effect_noise((8, 8), number + 1).save(tmp_path / f"{number}.png")
    data = load(str(tmp_path), 8)
    assert len(data.images) == 3
    assert any(remark.startswith("its .tar files are not read, since it has images as well") for remark in data.remarks)
