"""The same picture under two labels is counted and said; labels, splits and fingerprints stay what they are."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from hpt_ray.cli.main import app
from hpt_ray.data import conflicts, inventory
from hpt_ray.data.dataset import Dataset, load
from tests.support import small


def _save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)


def _pets(root: Path) -> Path:
    """Twenty cats and twenty dogs; three cats are among the dogs as well, and two cats are there twice."""
    for i in range(20):
        _save(root / "cat" / f"{i:02}.png", i)
        _save(root / "dog" / f"{i:02}.png", 100 + i)
    for i in (4, 6, 9):
        shutil.copy(root / "cat" / f"{i:02}.png", root / "dog" / f"copy{i}.png")
    for i in (1, 2):
        shutil.copy(root / "cat" / f"{i:02}.png", root / "cat" / f"copy{i}.png")
    return root


def test_pictures_of_two_classes_are_counted_and_one_is_named(tmp_path: Path) -> None:
    root = _pets(tmp_path / "pets")
    data = load(str(root), 16)
    said = (
        f"3 pictures have different labels in 6 images, such as {root}/cat/04.png ('cat') and {root}/dog/copy4.png "
        "('dog'); correct these labels or remove the images"
    )
    assert conflicts.remark(data) == said
    assert inventory.lines([data])[-1] == f"pets: {said}."


def test_no_conflicts_no_remark(tmp_path: Path) -> None:
    """Copies within a class, and pictures that have no label, are none."""
    for i in range(10):
        _save(tmp_path / "x" / "images" / f"{i}.png", i % 5)
    lines = [f"images/{i}.png,{('cat', 'dog')[i % 5 % 2] if i != 3 else ''}" for i in range(10)]
    (tmp_path / "x" / "list.csv").write_text("path,label\n" + "\n".join(lines))
    assert conflicts.remark(load(str(tmp_path / "x" / "list.csv"), 16)) is None
    assert conflicts.remark(load(str(tmp_path / "x" / "images"), 16)) is None
    assert conflicts.remark(load("digits", 8)) is None


def test_across_splits(tmp_path: Path) -> None:
    """A test image that train has under another label is left out of train, and counted all the same."""
    for seed, split in enumerate(("train", "val", "test")):
        for i in range(6):
            _save(tmp_path / "x" / split / ("cat", "dog")[i % 2] / f"{i}.png", 100 * seed + i)
    shutil.copy(tmp_path / "x" / "test" / "cat" / "0.png", tmp_path / "x" / "train" / "dog" / "copy.png")
    data = load(str(tmp_path / "x"), 16)
    assert data.excluded == 1
    said = conflicts.remark(data)
    assert said is not None and said.startswith("1 picture has different labels in 2 images, such as ")
    assert "test/cat/0.png ('cat') and " in said and "train/dog/copy.png ('dog')" in said


def test_rows_of_parquet_are_named(tmp_path: Path) -> None:
    for i in range(10):
        _save(tmp_path / f"{i}.png", i if i != 8 else 3)
    images = [{"bytes": (tmp_path / f"{i}.png").read_bytes(), "path": f"{i}.jpg"} for i in range(10)]
    pq.write_table(pa.table({"image": images, "label": [i % 2 for i in range(10)]}), tmp_path / "all.parquet")
    said = conflicts.remark(load(str(tmp_path / "all.parquet"), 16))
    assert said is not None
    assert "all.parquet, row 3 (3.jpg) ('1') and " in said and "all.parquet, row 8 (8.jpg) ('0')" in said


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ([[1, 0], [1, 0]], None),
        ([[1, -1], [-1, 0]], None),
        ([[1, 0], [-1, -1]], None),
        ([[1, 0], [1, 1]], "image 0 (has not 'b') and image 1 (has 'b')"),
        ([[-1, 0], [0, -1], [1, 0]], "image 1 (has not 'a') and image 2 (has 'a')"),
    ],
)
def test_several_labels_an_image_differ_where_both_are_known(targets: list[list[int]], says: str | None) -> None:
    data = small.dataset("gone")
    marks = np.array([*targets, *[[1, 0]] * (20 - len(targets))], dtype=np.int8)
    hashes = data.hashes.copy()
    hashes[: len(targets)] = hashes[0]
    several = dataclasses.replace(data, targets=marks, hashes=hashes, labels=np.full(20, -1))
    said = conflicts.remark(several)
    assert (says is None and said is None) or (said is not None and says is not None and says in said)


def test_the_first_picture_is_named_that_is_complete(tmp_path: Path) -> None:
    data = small.dataset("gone")
    hashes, labels = data.hashes.copy(), data.labels
    hashes[19], hashes[7], hashes[9] = hashes[0], hashes[4], hashes[4]
    made: Dataset = dataclasses.replace(data, hashes=hashes)
    assert labels[[0, 19, 4, 7, 9]].tolist() == [0, 1, 0, 1, 1]
    said = conflicts.remark(made)
    assert said == (
        "2 pictures have different labels in 5 images, such as image 4 ('a') and image 7 ('b'); correct these labels "
        "or remove the images"
    )


def test_plan_run_and_page_say_it(tmp_path: Path) -> None:
    root, store = _pets(tmp_path / "pets"), tmp_path / "store"
    settings = {"target": root, "policies": "baseline", "iterations": 1, "base_iterations": 1, "seeds": 1, "batch": 16}
    given = [part for name, value in (settings | {"group": 8}).items() for part in ("--set", f"{name}={value}")]
    for command in (["plan"], ["run", "--runner", "inline"]):
        done = CliRunner().invoke(app, [command[0], "augment_ablation", *given, *command[1:], "--store", str(store)])
        assert done.exit_code == 0, done.output
        assert "3 pictures have different labels in 6 images" in " ".join(done.output.split())
    (run,) = (store / "runs").iterdir()
    assert "3 pictures have different labels in 6 images" in (run / "report.html").read_text(encoding="utf-8")
    found = json.loads((run / "run.json").read_text())["datasets"][str(root)]["found"]
    assert found[-1].startswith("pets: 3 pictures have different labels in 6 images, such as ")
