from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from filelock import FileLock

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))


def _aged(path: Path, content: bytes, seconds: float = 100) -> Path:
    path.write_bytes(content)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_the_cache_is_the_systems_unless_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.root() == tmp_path / "cache"
    monkeypatch.delenv("HPT_CACHE")
    assert cache.root().name == "hpt_ray"


def test_fingerprint_is_of_names_and_bytes_and_not_of_places(tmp_path: Path) -> None:
    prints = []
    for place in ("here", "there"):
        folder = tmp_path / place
        folder.mkdir()
        prints.append(cache.fingerprint([_aged(folder / "a", b"1"), _aged(folder / "b", b"2")], folder))
    assert prints[0] == prints[1]
    (folder / "a").rename(folder / "c")
    assert cache.fingerprint([folder / "c", folder / "b"], folder) != prints[0]


def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SETTLED_SECONDS", -1)  # the time of change cannot be set
    files = [_aged(tmp_path / name, name.encode()) for name in "abc"]
    before = cache.fingerprint(files, tmp_path)
    opened: list[Path] = []
    original = Path.open

    def watched(self: Path, *how: object, **more: object) -> object:
        if self in files:
            opened.append(self)
        return original(self, *how, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", watched)
    assert cache.fingerprint(files, tmp_path) == before
    assert opened == []
    _aged(files[1], b"B", seconds=50)
    opened.clear()
    assert cache.fingerprint(files, tmp_path) != before
    assert opened == [files[1]]


def test_a_file_that_changed_just_now_is_not_trusted_to_its_time_stamp(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"1")
    stamp = file.stat()
    before = cache.fingerprint([file], tmp_path)
    file.write_bytes(b"2")
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert cache.fingerprint([file], tmp_path) != before


@pytest.mark.parametrize("content", [b"{", b"[1]", b'{"a": 3}', b"[" * 100_000, b"\xff"])
def test_a_damaged_memory_is_made_anew(tmp_path: Path, content: bytes) -> None:
    file = _aged(tmp_path / "a", b"1")
    before = cache.fingerprint([file], tmp_path)
    for memory in (tmp_path / "cache" / "hashes").glob("*.json"):
        memory.write_bytes(content)
    assert cache.fingerprint([file], tmp_path) == before


def test_a_failed_build_goes_on_where_it_was_and_leaves_what_is_whole_alone(tmp_path: Path) -> None:
    folder = tmp_path / "built" / "x"

    def fail(target: Path) -> None:
        (target / cache.SCRATCH).mkdir()
        (target / "part").touch()
        raise DataError("no")

    def go_on(target: Path) -> None:
        assert (target / cache.SCRATCH).is_dir()
        (target / "all").touch()

    with pytest.raises(DataError, match="no"):
        cache.build(folder, Path.exists, fail, "it")
    assert not folder.exists()
    cache.build(folder, Path.exists, go_on, "it")
    assert [path.name for path in folder.parent.iterdir() if path.suffix != ".lock"] == ["x"]
    assert sorted(path.name for path in folder.iterdir()) == ["all", "part"]
    cache.build(folder, Path.exists, fail, "it")


def test_what_is_unfinished_of_content_that_has_changed_is_deleted_unless_it_is_in_use(tmp_path: Path) -> None:
    def fail(target: Path) -> None:
        (target / "part").touch()
        raise DataError("no")

    for name, label in (("first", "it"), ("second", "it"), ("third", "another")):
        with pytest.raises(DataError, match="no"):
            cache.build(tmp_path / name, Path.exists, fail, label)
    left = {path.name.split("-")[0] for path in tmp_path.iterdir() if path.is_dir()}
    assert left == {".second", ".third"}
    with FileLock(tmp_path / "second.lock"):
        cache.build(tmp_path / "fourth", Path.exists, lambda target: None, "it")
    assert any(tmp_path.glob(".second-*"))
    cache.build(tmp_path / "fifth", Path.exists, lambda target: None, "it")
    assert not any(tmp_path.glob(".second-*"))


def test_a_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "SETTLED_SECONDS", -1)
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="set HPT_CACHE"):
        cache.build(cache.root() / "x", Path.exists, lambda target: None, "it")
    with pytest.raises(DataError, match="set HPT_CACHE"):
        cache.fingerprint([_aged(tmp_path / "a", b"1")], tmp_path)
