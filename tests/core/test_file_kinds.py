"""Files as the libraries that own a format write them, and what they are said to be."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.core.file_kinds import HEAD, IMAGE, PARQUET, FileKind, kind_of, placeholder
from hpt_ray.data.dataset import load

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"
PAGE = b"\xef\xbb\xbf\n<!DOCTYPE html><html><title>Virus scan</title></html>"


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def tar(buffer: io.BytesIO) -> None:
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))


def zipped(buffer: io.BytesIO) -> None:
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"a")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(b"a", mtime=0), "compressed by gzip"),
        (bz2.compress(b"a"), "compressed by bzip2"),
        (lzma.compress(b"a"), "compressed by xz"),
        (pa.compress(b"a", "zstd", asbytes=True), "compressed by zstd"),
        (written(tar), "a tar archive"),
        (written(zipped), "a zip archive"),
        (written(lambda buffer: np.save(buffer, np.zeros(3))), "an array of numpy"),
        (written(lambda buffer: Image.new("RGB", (4, 4)).save(buffer, "PNG")), "an image"),
        (written(lambda buffer: Image.new("RGB", (4, 4)).save(buffer, "JPEG")), "an image"),
        (written(lambda buffer: Image.new("RGB", (4, 4)).save(buffer, "AVIF")), "an AVIF image"),
        (written(lambda buffer: pq.write_table(pa.table({"a": [1]}), buffer)), "a Parquet file"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "a drawing (SVG)"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an answer in XML"),
        (PAGE, "a web page"),
        (LFS, "a Git LFS pointer"),
        (bytes(5000), "a file that begins with zeros"),
    ],
)
def test_a_file_is_said_to_be_what_it_is(data: bytes, what: str) -> None:
    kind = kind_of(data[:HEAD])
    assert kind is not None and kind.what.startswith(what)


@pytest.mark.parametrize(
    "data",
    [b"", b"path,label\na.png,cat\n", b"BZhang/1.jpg,cat\n", b"version,https://git-lfs\n", bytes(100) + b"x" * 900],
)
def test_what_is_nothing_known_is_not_guessed(data: bytes) -> None:
    assert kind_of(data[:HEAD]) is None


def test_what_is_expected_is_not_looked_for() -> None:
    assert kind_of(b"PAR1", expected=PARQUET) is None
    assert kind_of(b"\x89PNG\r\n\x1a\n", expected=PARQUET) is IMAGE
    assert kind_of(LFS, expected=PARQUET) == placeholder(LFS)


def test_a_file_that_may_be_a_list_is_no_placeholder() -> None:
    assert placeholder(b"PAR1.jpg,cat\n") is None
    assert isinstance(placeholder(LFS), FileKind)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        (
            "lfs.parquet",
            LFS,
            "is not of Parquet but a Git LFS pointer, which stands for the file: run git lfs",
        ),
        ("page.parquet", PAGE, "is not of Parquet but a web page, as a download gives that asks to log in or to"),
        ("lfs.tar", LFS, "is not a tar archive but a Git LFS pointer, which stands for the file: run git lfs pull."),
        (
            "gz.tar",
            gzip.compress(b"a", mtime=0),
            "is compressed by gzip, and images cannot be found in it: unpack it to a plain",
        ),
        ("list.parquet", b"a,b\n", "cannot be read as Parquet"),
        ("lfs.csv", LFS, "is not an image list but a Git LFS pointer, which stands for the file: run git lfs pull."),
        ("page.txt", PAGE, "is not an image list but a web page"),
        ("gz.csv", gzip.compress(b"a,b\n", mtime=0), "is not an image list but compressed by gzip: unpack it"),
        (
            "picture.txt",
            written(lambda buffer: Image.new("RGB", (4, 4)).save(buffer, "PNG")),
            "is not an image list but an image: write UTF-8 text, one image per line.",
        ),
    ],
)
def test_shards_and_lists_that_are_something_else_are_named(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        load(str(tmp_path / name), 8)
    assert str(caught.value).startswith(f"{tmp_path / name} {says}")
