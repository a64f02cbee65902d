from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.data import cache, remembered
from hpt_ray.data.datasets import _walk, image_folder, image_list, webdataset
from hpt_ray.data.records import Source, source


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SETTLED_SECONDS", -1)  # the time of change cannot be set


def _picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(values).save(path.with_suffix(".bmp"))
    path.with_suffix(".bmp").rename(path)  # of one size whatever the pixels are
    os.utime(path, (1e9, 1e9))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for i in range(6):
        _picture(tmp_path / "data" / "ab"[i % 2] / f"{i}.png", i)
    lines = [f"{'ab'[i % 2]}/{i}.png,{'ab'[i % 2]}\n" for i in range(6)]
    (tmp_path / "data" / "all.csv").write_text("".join(lines))
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["folder", "list"])
def test_a_second_look_reads_neither_lists_nor_files(root: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    spec = str(root) if kind == "folder" else str(root / "all.csv")
    first = source(spec)

    def fail(*_: object) -> None:
        raise AssertionError("looked again")

    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "_look", fail)
        patch.setattr(image_list, "table", fail)
        patch.setattr(cache, "fingerprint", fail)
        second = source(spec)
    for name in ("name", "fingerprint", "labels", "given_by", "remarks"):
        assert getattr(second, name) == getattr(first, name)
    assert list(source(spec).read().examples) == list(first.read().examples)


def _replace(root: Path) -> None:
    other = root.parent / "other.png"
    _picture(other, 99)
    assert (other.stat().st_size, other.stat().st_mtime) == (root / "a/0.png").stat()[6:9:2]
    other.replace(root / "a" / "0.png")


def _overwrite(root: Path) -> None:
    path = root / "b" / "1.png"
    time.sleep(0.05)  # the clock of files ticks every few milliseconds
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, (1e9, 1e9))


def _swap(root: Path) -> None:
    one, other = root / "a" / "0.png", root / "a" / "2.png"
    one.rename(root / "x")
    other.rename(one)
    (root / "x").rename(other)


def _relink(root: Path) -> None:
    (root / "a").rename(root.parent / "a")
    _picture(root.parent / "c" / "0.png", 50)
    for i in (2, 4):
        (root.parent / "a" / f"{i}.png").rename(root.parent / "c" / f"{i}.png")
    (root / "a").symlink_to(root.parent / "c")


@pytest.mark.parametrize("kind", ["folder", "list"])
@pytest.mark.parametrize("change", [_replace, _overwrite, _swap, _relink])
def test_a_changed_file_of_equal_size_and_time_is_seen(root: Path, kind: str, change: Callable[[Path], None]) -> None:
    spec = str(root) if kind == "folder" else str(root / "all.csv")
    before = source(spec).fingerprint
    assert source(spec).fingerprint == before
    change(root)
    assert source(spec).fingerprint != before


def test_files_that_come_and_go_are_seen(root: Path) -> None:
    prints = {source(str(root)).fingerprint}
    _picture(root / "b" / "9.png", 9)
    prints.add(source(str(root)).fingerprint)
    (root / "b" / "9.png").rename(root / "b" / "8.png")
    prints.add(source(str(root)).fingerprint)
    (root / "b" / "8.png").rename(root / "a" / "8.png")
    prints.add(source(str(root)).fingerprint)
    assert len(prints) == 4


def test_a_list_replaced_by_one_of_its_size_and_time_is_read_again(root: Path) -> None:
    path, other = root / "all.csv", root.parent / "other.csv"
    first = source(str(path))
    other.write_text(path.read_text().replace(",a", ",c"))
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    second = source(str(path))
    assert (first.read().classes, second.read().classes) == (("a", "b"), ("b", "c"))
    assert first.fingerprint != second.fingerprint


def test_what_changed_just_now_is_not_remembered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SETTLED_SECONDS", 2.0)
    state = remembered.state_below(root)
    assert state is not None
    assert not state.settled


def test_other_code_may_find_something_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source(str(root))
    state = remembered.state_below(root)
    assert remembered.memory("image_folder", root).recall(state, _never) is not None
    monkeypatch.setattr(remembered, "_code", lambda: "other")
    assert remembered.memory("image_folder", root).recall(state, _never) is None


def _never() -> Source:
    raise AssertionError


@pytest.mark.parametrize("content", ["{", "[]", '{"names": [], "state": "", "source": []}', "[" * 100_000])
def test_a_damaged_memory_is_looked_at_again(root: Path, tmp_path: Path, content: str) -> None:
    before = source(str(root)).fingerprint
    (memory,) = (tmp_path / "cache" / "sources").glob("*.json")
    memory.write_text(content)
    assert source(str(root)).fingerprint == before


def test_links_that_lead_to_a_folder_twice_are_left_to_the_walk(root: Path) -> None:
    (root / "c").symlink_to(root / "a")
    assert remembered.state_below(root) is None
    assert len(_walk.images(root)[0]) == len(list(source(str(root)).read().examples)) == 9


def test_a_tar_is_looked_through_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tarfile

    path = root.parent / "all.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(root / "a" / "0.png", "0.png")
    first = source(str(path))
    monkeypatch.setattr(webdataset, "tar", _never)
    assert source(str(path)).fingerprint == first.fingerprint
