from __future__ import annotations

import dataclasses
import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError, StudyError, UnknownNameError
from hpt_ray.data import cache as caching
from hpt_ray.data import dataset, preparing
from hpt_ray.data.dataset import load
from hpt_ray.data.records import PUBLISHED
from tests.support.places import ROOT


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8))


def _tree(root: Path, **splits: list[int]) -> Path:
    """Two classes under each split; the numbers are the pictures' seeds."""
    for split, seeds in splits.items():
        for i, seed in enumerate(seeds):
            path = root / split / "ab"[i % 2] / f"{i:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _picture(seed).save(path)
    return root


def test_statistics_are_those_of_train_and_val(tmp_path: Path) -> None:
    data = load(str(_tree(tmp_path / "x", train=[*range(40)], val=[*range(40, 50)], test=[*range(50, 60)])), 8)
    values = data.images[np.concatenate([data.splits["train"], data.splits["val"]])] / 255
    assert np.allclose(data.mean, values.mean(axis=(0, 2, 3)), atol=1e-12)
    assert np.allclose(data.std, values.std(axis=(0, 2, 3)), atol=1e-12)


@pytest.mark.parametrize("found_by", ["disk_usage", "posix_fallocate"])
def test_a_full_disk_is_said_before_the_map_is_written(monkeypatch: pytest.MonkeyPatch, found_by: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if found_by == "disk_usage":
        monkeypatch.setattr(caching.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    else:
        monkeypatch.setattr(caching.os, "posix_fallocate", full)
    monkeypatch.setattr(preparing, "decode_all", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"[Mm]ake room,? or set HPT_CACHE"):
        load("digits", 8)


def test_a_constant_channel_can_be_divided_by(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for i in range(10):
        Image.new("RGB", (8, 8), (i, 7, 7)).save(tmp_path / "x" / f"{i}.png")
    assert min(load(str(tmp_path / "x"), 8).std) > 0


def test_planted_copies_of_test_images_are_kept_out_of_pretraining(tmp_path: Path) -> None:
    root = _tree(tmp_path / "x", train=[*range(20), 30, 31], val=[20, 21, 32, 22], test=[30, 31, 32, 33])
    # The same pixels in another file format are the same image.
    _picture(33).save(root / "train" / "a" / "other.bmp")
    data = load(str(root), 8)
    assert data.excluded == 4
    assert len(data.pretraining()) == 23
    test = {data.images[i].tobytes() for i in data.splits["test"]}
    assert len(test) == 4
    assert not test & {data.images[i].tobytes() for i in data.pretraining()}
    assert len(data.splits["test"]) == 4


def test_copies_within_one_pool_do_not_leak_either(tmp_path: Path) -> None:
    for i in range(60):
        path = tmp_path / "x" / "ab"[i % 2] / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _picture(i // 4).save(path)
    data = load(str(tmp_path / "x"), 8)
    assert data.excluded > 0
    assert not {data.images[i].tobytes() for i in data.splits["test"]} & {
        data.images[i].tobytes() for i in data.pretraining()
    }


@pytest.mark.parametrize("fraction", [1.0, 0.1])
def test_the_proof_looks_at_content_and_not_at_indices(tmp_path: Path, fraction: float) -> None:
    data = load(str(_tree(tmp_path / "x", train=[*range(10)], val=[10, 11], test=[12, 13])), 8)
    data.hashes[data.splits["train"][3]] = data.hashes[data.splits["test"][0]]
    with pytest.raises(DataError, match="1 test images are also in pretraining"):
        data.pretraining(fraction)


@pytest.mark.parametrize("labelled", [1.0, 0.6, 0.0])
def test_fractions_are_nested_and_stratified_and_without_test(labelled: float) -> None:
    data = load("digits", 8)
    unknown = np.random.default_rng(0).random(len(data.labels)) >= labelled
    data = dataclasses.replace(data, labels=np.where(unknown, -1, data.labels))
    pool = data.pretraining()
    classes, counts = np.unique(data.labels[pool], return_counts=True)  # -1 is one of them
    smaller: set[int] = set()
    for fraction in (1e-5, 0.01, 0.1, 0.25, 0.5, 0.9, 1.0):
        chosen = data.pretraining(fraction, seed=3)
        assert len(chosen) == max(1, round(fraction * len(pool)))
        assert np.all(np.diff(chosen) > 0)
        found = np.array([np.sum(data.labels[chosen] == label) for label in classes])
        assert np.abs(found - counts * len(chosen) / len(pool)).max() <= 1
        assert smaller <= set(chosen.tolist()) <= set(pool.tolist())
        assert not set(chosen.tolist()) & set(data.splits["test"].tolist())
        smaller = set(chosen.tolist())
    assert smaller == set(pool.tolist())


def test_the_seed_alone_decides_a_fraction() -> None:
    one, other = load("digits", 8), load("digits", 8)
    assert np.array_equal(one.pretraining(0.1, 5), other.pretraining(0.1, 5))
    shared = np.intersect1d(one.pretraining(0.1, 5), one.pretraining(0.1, 6))
    assert len(shared) < 0.2 * len(one.pretraining(0.1))  # by chance a tenth
    assert np.array_equal(one.pretraining(1.0, 5), one.pretraining(1.0, 6))


def test_nothing_but_copies_of_test(tmp_path: Path) -> None:
    data = load(str(_tree(tmp_path / "x", train=[1, 2], val=[1, 2], test=[1, 2])), 8)
    with pytest.raises(DataError, match="nothing to pretrain on"):
        data.pretraining()
    with pytest.raises(DataError, match=r"no labelled images in train \(4 copies"):
        data.evaluation()


def _several(root: Path, rows: list[str]) -> dataset.Dataset:
    """Ten images a split, in which ``rows`` go around."""
    lines = []
    for split, grey in (("train", 0), ("val", 60), ("test", 120)):
        for i in range(10):
            Image.fromarray(np.full((8, 8, 3), grey + i, dtype=np.uint8)).save(root / f"{split}{i}.png")
            lines.append(f'{split}{i}.png,"{rows[i % len(rows)]}",{split}')
    (root / "list.csv").write_text("\n".join(lines))
    return load(str(root / "list.csv"), 8)


def test_several_labels_are_evaluated_where_one_is_known(tmp_path: Path) -> None:
    data = _several(tmp_path, ["1,0", "0,-1", "0,0", "-1,-1"])
    assert {name: len(chosen) for name, chosen in data.evaluation().items()} == {"train": 8, "val": 8, "test": 8}
    # Of the rarest class that an image has: the first, or none of the two, or nothing known.
    assert np.bincount(data.strata + 1).tolist() == [6, 9, 0, 15]
    assert len(data.pretraining()) == 20
    fewer = data.pretraining(0.5, 0)
    assert np.abs(np.bincount(data.strata[fewer] + 1, minlength=4) - np.array([4, 6, 0, 10]) / 2).max() <= 1


def test_several_labels_without_both_values_have_no_area(tmp_path: Path) -> None:
    data = _several(tmp_path, ["1,0", "1,-1"])
    with pytest.raises(
        DataError, match=r"no class with both positives and negatives in train and in val, and so nothing to measure"
    ):
        data.evaluation()


@pytest.mark.parametrize(("given_by", "advised"), [("its folders", True), (PUBLISHED, False)])
def test_splits_can_be_left_out_by_who_gave_them_alone(tmp_path: Path, given_by: str, advised: bool) -> None:
    """CIFAR-10's own test split is not the user's to leave out."""
    data = dataclasses.replace(_several(tmp_path, ["1,0", "1,-1"]), given_by=given_by)
    with pytest.raises(DataError, match="nothing to measure; add images") as refusal:
        data.evaluation()
    assert ("or give no splits and have them made" in str(refusal.value)) is advised


def test_evaluation_has_labels_alone(tmp_path: Path) -> None:
    root = _tree(tmp_path / "x", train=[*range(10)], val=[10, 11], test=[12, 13])
    lines = [f"{path.relative_to(root)},{path.parent.name},{path.parts[-3]}" for path in sorted(root.rglob("*.png"))]
    lines[-1] = lines[-1].replace(",b,", ",,")
    (root / "list.csv").write_text("\n".join(lines))
    data = load(str(root / "list.csv"), 8)
    splits = data.evaluation()
    assert {name: len(chosen) for name, chosen in splits.items()} == {"train": 10, "val": 1, "test": 2}
    assert all((data.labels[chosen] >= 0).all() for chosen in splits.values())
    assert len(data.pretraining()) == 12


def test_a_second_load_reads_nothing_and_maps_the_same_file(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    first = load("digits", 16)
    monkeypatch.setattr(preparing, "decode_all", lambda *_: pytest.fail("decoded again"))
    second = load("digits", 16)
    for field in ("labels", "hashes", "images"):
        assert np.array_equal(getattr(first, field), getattr(second, field))
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable
    assert second.images.flags.c_contiguous
    assert second.labels.dtype == np.int64
    assert (first.mean, first.std, first.fingerprint, first.classes) == (
        second.mean,
        second.std,
        second.fingerprint,
        second.classes,
    )
    assert second.images.filename is not None
    assert cache in Path(second.images.filename).parents


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    root = _tree(tmp_path / "x", train=[*range(10)], val=[10, 11], test=[12, 13])
    before = load(str(root), 8)
    path = root / "train" / "a" / "000.png"
    _picture(99).save(path)
    after = load(str(root), 8)
    assert after.fingerprint != before.fingerprint
    assert np.array_equal(after.images[after.splits["train"][0]], np.asarray(_picture(99)).transpose(2, 0, 1))
    path.unlink()
    assert len(load(str(root), 8).images) == len(after.images) - 1


def test_a_fingerprint_is_of_content_and_size_and_not_of_place(tmp_path: Path) -> None:
    splits = {"train": [*range(10)], "val": [10, 11], "test": [12, 13]}
    one, two = _tree(tmp_path / "one", **splits), _tree(tmp_path / "two", **splits)
    assert load(str(one), 8).fingerprint == load(str(two), 8).fingerprint
    assert load(str(one), 8).fingerprint != load(str(one), 16).fingerprint


@pytest.mark.parametrize("name", ["images.npy", "columns.npz"])
@pytest.mark.parametrize("size", [0, 3, 1000])
def test_a_damaged_cache_is_made_anew(cache: Path, name: str, size: int) -> None:
    images = load("digits", 8).images.copy()
    (file,) = cache.glob(f"decoded/*/{name}")
    with file.open("r+b") as stream:
        stream.truncate(size)
    assert np.array_equal(load("digits", 8).images, images)


FIELDS = ("classes", "mean", "std", "excluded", "given", "forms", "reading", "remarks")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"[" * 100_000,
        *[{name: ...} for name in FIELDS],
        *[{name: wrong} for name in FIELDS if name != "reading" for wrong in (None, 3.5, {}, [[[]]])],
        {"classes": ["one"]},  # of more classes than one
        {"mean": [0.5, float("nan"), 0.5]},
    ],
)
def test_facts_that_are_damaged_are_found_anew(cache: Path, damage: bytes | dict[str, Any]) -> None:
    first, told = load("synthetic:shape,n=40", 16), list[int]()
    (path,) = cache.glob("decoded/*/facts.json")
    whole = path.read_bytes()
    if isinstance(damage, dict):
        made = {name: value for name, value in (json.loads(whole) | damage).items() if value is not ...}
        damage = json.dumps(made).encode()
    path.write_bytes(damage)
    again = load("synthetic:shape,n=40", 16, progress=lambda done, total: told.append(done))
    assert told  # a user sees that it is decoded again
    assert path.read_bytes() == whole
    assert (again.classes, again.mean, again.fingerprint) == (first.classes, first.mean, first.fingerprint)


@pytest.mark.parametrize("lacking", ["perceptual", "sizes"])
def test_a_cache_of_an_earlier_version_without_a_column_is_decoded_again(cache: Path, lacking: str) -> None:
    first = load("digits", 8)
    (file,) = cache.glob("decoded/*/columns.npz")
    with np.load(file) as columns:
        earlier = {name: columns[name] for name in columns if name != lacking}
    np.savez(file, **earlier)
    again = load("digits", 8)
    assert np.array_equal(getattr(again, lacking), getattr(first, lacking))
    assert again.fingerprint == first.fingerprint


COUNTED = """
import time
from pathlib import Path
import numpy as np
from hpt_ray.data.records import Example, Records, Source

def dataset(argument):
    def read():
        with Path(argument).open("a") as file:
            file.write("read\\n")
        time.sleep(0.5)
        images = [np.full((8, 8), i, dtype=np.uint8) for i in range(40)]
        return Records(40, ("a", "b"), [Example(image, str(i), i % 2) for i, image in enumerate(images)])
    return Source("counted", "counted", read)
"""


def test_two_processes_decode_once(tmp_path: Path) -> None:
    (tmp_path / "counted.py").write_text(COUNTED)
    spec = f"{tmp_path / 'counted.py'}:{tmp_path / 'reads.txt'}"
    program = f"from hpt_ray.data.dataset import load; print(load({spec!r}, 8).images.sum())"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = {process.communicate(timeout=120)[0] for process in running}
    assert said == {f"{sum(range(40)) * 3 * 64}\n"}
    assert (tmp_path / "reads.txt").read_text() == "read\n"


def test_progress_is_reported() -> None:
    seen: list[tuple[int, int]] = []
    load("digits", 8, progress=lambda done, count: seen.append((done, count)))
    assert seen[-1] == (1797, 1797)


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("digts", UnknownNameError, r"existing path\) 'digts'. Did you mean 'digits'\? Available: .*torchvision"),
        ("", UnknownNameError, "unknown data set"),
        ("./nowhere", DataError, r"data set \./nowhere: nothing there that can be read"),
        ("photos.zip", DataError, "nothing there that can be read"),
        ("no.py", StudyError, r"no dataset at no\.py"),
    ],
)
def test_bad_specs(spec: str, error: type[StudyError], says: str) -> None:
    with pytest.raises(error, match=says):
        load(spec, 8)


@pytest.mark.parametrize("size", [0, -1, 10_000])
def test_bad_sizes(size: int) -> None:
    with pytest.raises(DataError, match="image size"):
        load("digits", size)


def test_classes_are_compared_whatever_the_source_spells(tmp_path: Path) -> None:
    lines = []
    for i, (split, name) in enumerate(
        (split, name) for split in ("train", "val", "test") for name in ("cafe\u0301", "th\u00e9", "caf\u00e9") * 2
    ):
        _picture(i).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{name},{split}")
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    data = load(str(tmp_path / "list.csv"), 8)
    assert sorted(data.classes) == ["caf\u00e9", "th\u00e9"]
    assert np.bincount(data.labels).tolist() == [12, 6]
    assert "3 spellings of class names are 2 classes" in data.remarks[-1]
    assert data.given == ("train", "val", "test")
    data.evaluation()
    (tmp_path / "list.csv").write_text("\n".join(lines).replace("th\u00e9,test", "Th\u00e9,test"), encoding="utf-8")
    with pytest.raises(DataError, match="test has classes that train lacks: 'Th\u00e9'"):
        load(str(tmp_path / "list.csv"), 8).evaluation()


def test_too_few_images_to_draw_splits_from(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "x" / name).mkdir(parents=True)
        _picture(ord(name)).save(tmp_path / "x" / name / "0.png")
    with pytest.raises(DataError) as error:
        load(str(tmp_path / "x"), 8).evaluation()
    assert str(error.value).endswith(
        "no labelled images in val: 2 labelled images are too few to take it from; add images."
    )


def test_a_folder_that_loses_to_a_data_set_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load("digits", 8).remarks == ()
    (tmp_path / "digits").mkdir()
    assert "write ./digits for what lies in this folder" in load("digits", 8).remarks[0]


DRAWN = """
import numpy as np
from hpt_ray.data.records import Example, Records, Source

def read():
    images = [np.full((8, 8), VALUE + i, dtype=np.uint8) for i in range(40)]
    return Records(40, ("a", "b"), [Example(image, str(i), i % 2) for i, image in enumerate(images)])

def dataset(argument):
    return Source("drawn", "always the same", read)
"""


def test_the_code_of_a_users_data_set_is_part_of_its_fingerprint(tmp_path: Path) -> None:
    loaded = []
    for value in (0, 100):
        (tmp_path / "drawn.py").write_text(DRAWN.replace("VALUE", str(value)))
        loaded.append(load(str(tmp_path / "drawn.py"), 8))
    assert loaded[0].fingerprint != loaded[1].fingerprint
    assert loaded[1].images.min() == 100
