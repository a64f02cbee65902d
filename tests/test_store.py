from __future__ import annotations

import os
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from hpt_ray import store as store_module
from hpt_ray.errors import StoreError
from hpt_ray.store import Store, parquet

TABLE = pa.table({"iteration": [1, 2, 3], "loss": [0.5, None, 0.25]})


@pytest.fixture(params=["folder", "file URI", "other file system"])
def store(request, tmp_path):
    """A store at a local folder, at an address, and on a file system whose files have no local path."""
    if request.param == "folder":
        return Store(tmp_path / "deep" / "store")
    if request.param == "file URI":
        return Store((tmp_path / "store").as_uri())
    made = Store(tmp_path / "store")
    made.fs, made.local = fs.SubTreeFileSystem("/", fs.LocalFileSystem()), False
    return made


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_written_reads_back(store):
    store.write("runs/one/a.bin", b"content")
    store.write_json("runs/one/a.json", {"b": [1, None], "a": "é"})
    store.write_table("runs/one/a.parquet", TABLE)
    assert store.read("runs/one/a.bin") == b"content"
    assert store.read_json("runs/one/a.json") == {"b": [1, None], "a": "é"}
    assert store.read_table("runs/one/a.parquet").equals(TABLE)
    store.write("runs/one/a.bin", b"new")
    assert store.read("runs/one/a.bin") == b"new"
    store.remove("runs/one/a.bin")
    store.remove("runs/one/a.bin")
    assert not store.exists("runs/one/a.bin")


def test_a_stage_is_finished_by_its_record(store):
    store.checkpoints("s1").write(b"state")
    store.fail("s1", "killed")
    assert (store.finished(), store.record("s1"), store.failure("s1")) == (set(), None, "killed")
    assert store.checkpoints("s1").read() == b"state"
    store.finish("s1", {"weights": b"w", "curves.parquet": parquet(TABLE)}, {"seconds": 1.5})
    assert store.finished() == {"s1"}
    assert store.record("s1")["seconds"] == 1.5
    assert (store.failure("s1"), store.checkpoints("s1").read()) == (None, None)
    assert store.stage_file("s1", "weights") == b"w"
    assert store.stage_table("s1", "curves.parquet").equals(TABLE)


def test_any_parquet_reader_opens_a_table(tmp_path):
    store = Store(tmp_path)
    store.write_table("runs/one/results.parquet", TABLE)
    assert pq.read_table(store.path("runs/one/results.parquet")).equals(TABLE)


def test_opening_a_store_leaves_nothing_behind(tmp_path):
    Store(tmp_path / "new" / "store")
    Store(tmp_path / "new" / "store", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_empty(tmp_path):
    store = Store(tmp_path / "nothing", create=False)
    assert store.finished() == set()
    assert store.record("s1") is None


@pytest.mark.parametrize("fault", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_no_file_and_no_temporary(tmp_path, monkeypatch, fault):
    store = Store(tmp_path)
    store.write("runs/one/old", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    if fault == "write":  # the system itself cuts the file short
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    else:
        monkeypatch.setattr(*((os, "fsync") if fault == "fsync" else (Path, "replace")), full)
    try:
        for name in ("new", "old"):
            with pytest.raises(StoreError, match=f"runs/one/{name} cannot be written .*: free some space") as caught:
                store.write(f"runs/one/{name}", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert ("File too large" if fault == "write" else "No space left on device") in str(caught.value)
    assert files(tmp_path) == {"runs/one/old"}
    assert store.read("runs/one/old") == b"old"


def test_the_record_is_written_last(tmp_path, monkeypatch):
    store = Store(tmp_path)
    order = []
    written = Store.write
    monkeypatch.setattr(Store, "write", lambda self, path, data: (order.append(path), written(self, path, data))[1])
    store.finish("s1", {"b": b"1", "a": b"2"}, {})
    assert order == ["stages/s1/b", "stages/s1/a", "stages/s1/stage.json"]


def test_a_stage_that_dies_while_it_finishes_is_not_finished(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.checkpoints("s1").write(b"state")
    written = Store.write

    def dies(self: Store, path: str, data: bytes) -> None:
        if path.endswith("second"):
            raise KeyboardInterrupt
        written(self, path, data)

    monkeypatch.setattr(Store, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        store.finish("s1", {"first": b"1", "second": b"2"}, {})
    assert store.finished() == set()
    assert store.checkpoints("s1").read() == b"state"  # so that the next run resumes


def test_damage_is_found_and_named(tmp_path):
    store = Store(tmp_path)
    store.finish("s1", {"weights": b"w" * 100}, {})
    path = tmp_path / "stages" / "s1" / "weights"
    for damaged in (b"w" * 99, b"w" * 99 + b"v"):
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match=r"stages/s1/weights is damaged \(its checksum differs\)"):
            store.stage_file("s1", "weights")
    path.unlink()
    with pytest.raises(StoreError, match="stages/s1/weights cannot be read"):
        store.stage_file("s1", "weights")
    with pytest.raises(StoreError, match="stage s2 is not finished"):
        store.stage_file("s2", "weights")


@pytest.mark.parametrize(
    ("content", "what"), [(b"{", "not JSON"), (b"[1]", "not a JSON object"), (b"\xff", "not JSON")]
)
def test_a_record_that_is_no_json_object_is_named(tmp_path, content, what):
    (tmp_path / "stages" / "s1").mkdir(parents=True)
    (tmp_path / "stages" / "s1" / "stage.json").write_bytes(content)
    with pytest.raises(StoreError, match=f"stages/s1/stage.json is damaged: it is {what}"):
        Store(tmp_path).record("s1")


def test_a_table_that_is_no_parquet_is_named(tmp_path):
    store = Store(tmp_path)
    store.write("runs/one/results.parquet", b"nonsense")
    with pytest.raises(StoreError, match=r"results\.parquet is damaged: it is not Parquet"):
        store.read_table("runs/one/results.parquet")
    with pytest.raises(StoreError, match=r"other\.parquet cannot be read"):
        store.read_table("runs/one/other.parquet")


@pytest.mark.parametrize("where", ["file", "file/below", "nowhere://bucket/folder"])
def test_a_store_that_cannot_be_written_is_refused_in_one_line(tmp_path, where):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be written .*: choose another with --store") as caught:
        Store(where if "://" in where else tmp_path / where)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250 + len(str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="Permission denied"):
        Store(tmp_path / "store")


def test_a_folder_that_refuses_new_files_is_refused(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store_module.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\)"):
        Store(tmp_path / "store")
    Store(tmp_path / "store", create=False)


def test_two_that_finish_the_same_stage_do_no_harm(tmp_path):
    one, other = Store(tmp_path), Store(tmp_path)
    for store in (one, other):
        store.finish("s1", {"weights": b"w"}, {"seconds": 1})
    assert one.stage_file("s1", "weights") == b"w"
    assert files(tmp_path) == {"stages/s1/weights", "stages/s1/stage.json"}
