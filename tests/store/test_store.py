from __future__ import annotations

import errno
import http.server
import io
import json
import os
import resource
import stat
import threading
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from hpt_ray.core.errors import StoreError
from hpt_ray.store import files as files_module
from hpt_ray.store.files import public
from hpt_ray.store.store import Store, _checksum
from hpt_ray.store.tables import parquet
from tests.support.records import stage_record

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
    assert store.read("runs/one/a.bin") == b"content"
    assert json.loads(store.read("runs/one/a.json")) == {"b": [1, None], "a": "é"}
    store.write("runs/one/a.bin", b"new")
    assert store.read("runs/one/a.bin") == b"new"
    store.remove("runs/one/a.bin")
    store.remove("runs/one/a.bin")
    assert not store.exists("runs/one/a.bin")


def test_a_stage_is_finished_by_its_record(store):
    store.checkpoint("s1").write(b"state")
    store.fail("s1", "killed")
    assert (store.finished(), store.record("s1"), store.failure("s1")) == (set(), None, "killed")
    assert store.checkpoint("s1").read() == b"state"
    store.finish("s1", {"weights": b"w", "curves.parquet": parquet(TABLE)}, stage_record())
    assert store.finished() == {"s1"}
    assert store.record("s1") == stage_record(files=store.record("s1").files)
    assert (store.failure("s1"), store.checkpoint("s1").read()) == (None, None)
    assert store.stage_file("s1", "weights") == b"w"
    assert store.stage_table("s1", "curves.parquet").equals(TABLE)


def test_any_parquet_reader_opens_a_table(tmp_path):
    store = Store(tmp_path)
    store.write("runs/one/results.parquet", parquet(TABLE))
    assert pq.read_table(store.path("runs/one/results.parquet")).equals(TABLE)


def test_opening_a_store_leaves_nothing_behind(tmp_path):
    Store(tmp_path / "new" / "store")
    Store(tmp_path / "new" / "store", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_not_there_is_empty(tmp_path):
    store = Store(tmp_path / "nothing", create=False)
    assert store.finished() == set()
    assert store.record("s1") is None


@pytest.mark.parametrize("fault", ["limit", "open", "write", "fsync", "replace"])
def test_a_write_that_fails_leaves_no_file_and_no_temporary(tmp_path, monkeypatch, fault):
    store = Store(tmp_path)
    store.write("runs/one/old", b"old")

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def half_written(path: Path, mode: str) -> io.FileIO:
        class HalfWritten(io.FileIO):
            def write(self, data: Any) -> int:
                super().write(data[: len(data) // 2])
                full()

        return HalfWritten(path, mode)

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    if fault == "limit":  # the system itself cuts the file short
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    elif fault in ("write", "open"):
        monkeypatch.setattr(Path, "open", half_written if fault == "write" else read_only)
    else:
        monkeypatch.setattr(*((os, "fsync") if fault == "fsync" else (Path, "replace")), full)
    advice = "choose another with --store" if fault in ("limit", "open") else "free some space"
    try:
        for name in ("new", "old"):
            with pytest.raises(StoreError, match=f"runs/one/{name} cannot be written .*: {advice}") as caught:
                store.write(f"runs/one/{name}", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    why = {"limit": "File too large", "open": "Read-only file system"}.get(fault, "No space left on device")
    assert why in str(caught.value)
    assert files(tmp_path) == {"runs/one/old"}
    assert store.read("runs/one/old") == b"old"


def test_a_disk_that_turns_read_only_half_way_is_told_as_that(tmp_path, monkeypatch):
    """The temporary cannot be removed either, which must not hide why."""
    store = Store(tmp_path)
    store.write("runs/one/old", b"old")

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "replace", read_only)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: Path("/nowhere").stat())
    with pytest.raises(StoreError, match=r"runs/one/old cannot be written \(Read-only file system\)"):
        store.write("runs/one/old", b"new")
    assert store.read("runs/one/old") == b"old"


def test_a_file_and_then_its_folder_are_flushed_to_disk(tmp_path, monkeypatch):
    order = []
    flush, rename = os.fsync, Path.replace

    def flushed(number: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        flush(number)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", lambda *paths: (order.append("rename"), rename(*paths))[1])
    Store(tmp_path).write("runs/one/file", b"content")
    assert order == ["file", "rename", "folder"]


def test_a_folder_that_cannot_be_flushed_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    store = Store(tmp_path)
    monkeypatch.setattr(os, "open", refuse)  # as Windows does for a folder
    store.write("runs/one/file", b"content")
    assert files(tmp_path) == {"runs/one/file"}


def test_the_record_is_written_last(tmp_path, monkeypatch):
    store = Store(tmp_path)
    order = []
    written = Store.write
    monkeypatch.setattr(Store, "write", lambda self, path, data: (order.append(path), written(self, path, data))[1])
    store.finish("s1", {"b": b"1", "a": b"2"}, stage_record())
    assert order == ["stages/s1/b", "stages/s1/a", "stages/s1/stage.json"]


def test_a_stage_that_dies_while_it_finishes_is_not_finished(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.checkpoint("s1").write(b"state")
    written = Store.write

    def dies(self: Store, path: str, data: bytes) -> None:
        if path.endswith("second"):
            raise KeyboardInterrupt
        written(self, path, data)

    monkeypatch.setattr(Store, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        store.finish("s1", {"first": b"1", "second": b"2"}, stage_record())
    assert store.finished() == set()
    assert store.checkpoint("s1").read() == b"state"  # so that the next run resumes


def test_damage_is_found_and_named(tmp_path):
    store = Store(tmp_path)
    store.finish("s1", {"weights": b"w" * 100}, stage_record())
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


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"null", b"\xff", b"{}", b'{"checksum": NaN}'])
def test_a_record_that_does_not_prove_itself_is_named(tmp_path, content):
    (tmp_path / "stages" / "s1").mkdir(parents=True)
    (tmp_path / "stages" / "s1" / "stage.json").write_bytes(content)
    store = Store(tmp_path)
    assert str(store.damaged(["s1"])["s1"]) == "stage.json has another checksum"
    with pytest.raises(StoreError, match=r"stages/s1/stage.json is damaged .*: run the study again"):
        store.record("s1")


def test_a_record_may_say_whatever_json_can(store):
    chosen = ({"values": [0.1, 1e-300, 1e300], "text": "é\u2028", "none": None},)
    store.finish("s1", {"weights": b"w"}, stage_record(chosen=chosen), {"label": "é\ud800\u2028"})
    assert store.damaged(["s1"]) == {}
    assert store.record("s1").chosen == chosen


def test_a_record_that_lacks_what_every_record_has_is_named(store):
    store.finish("s1", {"weights": b"w"}, stage_record())
    content = json.loads(store.read("stages/s1/stage.json"))
    del content["seconds"]
    store.write_json("stages/s1/stage.json", content | {"checksum": _checksum(content)})
    with pytest.raises(StoreError, match=r"stages/s1/stage.json is not as hpt-study writes it \(seconds: Field"):
        store.record("s1")
    assert store.files_of("s1") == ["stage.json", "weights"]


def test_damaged_stages_are_found_by_what_is_wrong_with_them(store):
    for stage in ("sound", "short", "flipped", "gone", "edited", "unfinished"):
        store.finish(stage, {"curves": b"c" * 99, "weights": b"w" * 100}, stage_record())
    store.write("stages/short/weights", b"w" * 99)
    store.write("stages/flipped/curves", b"c" * 98 + b"b")
    store.remove("stages/gone/weights")
    edited = json.loads(store.read("stages/edited/stage.json")) | {"seconds": 2.5}
    store.write_json("stages/edited/stage.json", edited)
    store.remove("stages/unfinished/stage.json")
    assert {stage: str(damage) for stage, damage in store.damaged([*store.finished(), "other"]).items()} == {
        "short": "weights has another checksum",
        "flipped": "curves has another checksum",
        "gone": "weights is missing",
        "edited": "stage.json has another checksum",
    }
    assert store.damaged(["sound"]) == {}
    store.delete("gone")
    store.delete("never there")
    assert "gone" not in store.finished()
    assert not [path for path in store.sizes("stages") if "gone" in path]


def test_what_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    """Or an object store that is away for a minute would have all of its stages computed anew."""
    store = Store(tmp_path)
    store.finish("s1", {"weights": b"w"}, stage_record())

    class Away(fs.LocalFileSystem):
        def open_input_file(self, path: str) -> None:
            raise OSError("AWS Error NETWORK_CONNECTION")

    monkeypatch.setattr(store, "fs", Away())
    with pytest.raises(StoreError, match="NETWORK_CONNECTION"):
        store.damaged(["s1"])


def test_a_checkpoint_that_is_damaged_is_none(store):
    checkpoints = store.checkpoint("s1")
    checkpoints.write(b"state" * 100)
    assert checkpoints.read() == b"state" * 100
    whole = store.read("stages/s1/checkpoint.pt")
    for damaged in (b"", whole[:20], whole[:32], whole[:-1], b"x" + whole[1:], whole[:-1] + b"x", whole + b"x"):
        store.write("stages/s1/checkpoint.pt", damaged)
        assert checkpoints.read() is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"null", b"\xff"])
def test_a_note_of_failure_that_is_damaged_still_says_that_it_failed(tmp_path, content):
    store = Store(tmp_path)
    store.write("stages/s1/failed.json", content)
    assert store.failure("s1") == "the note of why it failed is damaged"


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

    monkeypatch.setattr(files_module.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\)"):
        Store(tmp_path / "store")
    Store(tmp_path / "store", create=False)


@pytest.mark.parametrize("call", ["exists", "sizes", "read", "remove", "remove_folder"])
def test_a_file_system_that_fails_is_one_line(tmp_path, monkeypatch, call):
    def away(*_: object) -> None:
        raise OSError("When getting information: AWS Error NETWORK_CONNECTION\nDetail: a trace")

    class Away(fs.LocalFileSystem):
        get_file_info = open_input_file = delete_dir = away

    store = Store(tmp_path)
    monkeypatch.setattr(store, "fs", Away())
    with pytest.raises(StoreError, match=r"stages/s1 cannot be \w+ \(When .*NETWORK_CONNECTION\): choose another"):
        getattr(store, call)("stages/s1")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("hpt-store", "hpt-store"),
        ("/a:b@c/d?key=e", "/a:b@c/d?key=e"),
        ("s3://bucket/folder", "s3://bucket/folder"),
        ("s3://AKID:hush@bucket/a@b", "s3://bucket/a@b"),
        ("s3://AKID:hu%2Fsh@bucket/a?scheme=http&region=eu", "s3://bucket/a?scheme=http&region=eu"),
        ("s3://AKID:hu/sh@bucket/a", "s3://bucket/a"),  # pyarrow refuses it, and would quote it
        ("hdfs://user@host:8020/a:b@c", "hdfs://user@host:8020/a:b@c"),
        (
            "abfss://container@account.net/a?client_id=1&client_secret=hush",
            "abfss://container@account.net/a?client_id=1",
        ),
        ("abfs://:hush@account/a?sas_token=hush", "abfs://account/a"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, shown):
    assert public(address) == shown


def test_a_refused_address_keeps_its_secrets():
    with pytest.raises(StoreError, match=r"^store s3://bucket/a cannot be written .*'s3://bucket/a'") as caught:
        Store("s3://AKID:hu/sh@bucket/a")
    assert "hu/sh" not in str(caught.value)


def test_two_that_finish_the_same_stage_do_no_harm(tmp_path):
    one, other = Store(tmp_path), Store(tmp_path)
    for store in (one, other):
        store.finish("s1", {"weights": b"w"}, stage_record())
    assert one.stage_file("s1", "weights") == b"w"
    assert files(tmp_path) == {"stages/s1/weights", "stages/s1/stage.json"}


class Refusing(http.server.BaseHTTPRequestHandler):
    """An object store that answers every request with one error: (status, code)."""

    answer = (500, "InternalError")

    def do_GET(self) -> None:
        status, code = self.answer
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_POST = do_GET  # noqa: N815  # the library's names

    def log_message(self, *arguments: object) -> None: ...


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        ((403, "AccessDenied"), "check the credentials, and what they allow"),
        ((403, "InvalidAccessKeyId"), "check the credentials, and what they allow"),
        ((403, "SignatureDoesNotMatch"), "check the credentials, and what they allow"),
        ((401, "Unauthorized"), "check the credentials, and what they allow"),
        ((404, "NoSuchBucket"), "choose another with --store, or mend it"),
        ((400, "InvalidRequest"), "choose another with --store, or mend it"),
    ],
)
def test_what_an_object_store_refuses_says_what_to_do(monkeypatch, answer, advice):
    monkeypatch.setattr(Refusing, "answer", answer)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        where = f"s3://key:hush@bucket/folder?endpoint_override=127.0.0.1:{server.server_port}&scheme=http"
        where += "&region=us-east-1"
        opened = Store(where, create=False)
        asked = [
            lambda: Store(opened.where),
            lambda: opened.write("runs/a", b"x"),
            lambda: Store.existing(opened.where),
        ]
        try:
            for ask in asked:
                with pytest.raises(StoreError) as caught:
                    ask()
                line = str(caught.value)
                assert "free some space" not in line and "hush" not in line
                if ask is asked[-1] and answer[0] == 404:
                    assert line.startswith("there is no store at s3://bucket/folder")
                else:
                    assert line.endswith(f": {advice}.")
        finally:
            server.shutdown()
            thread.join()
