"""Whether pixels stay encoded where nobody says it: by what squares would lose, and by the room that they need."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data import cache as caching
from hpt_ray.data import pixels
from hpt_ray.data.dataset import load
from hpt_ray.data.pixels import Extent, extent_of
from hpt_ray.data.records import source


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _image(number: int, width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def _folder(root: Path, sizes: list[tuple[int, int]]) -> str:
    for number, (width, height) in enumerate(sizes):
        path = root / "ab"[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        _image(number, width, height).save(path)
    return str(root)


@pytest.mark.parametrize(
    ("sizes", "kept", "why"),
    [
        ([(16, 16)] * 20, "resident", r"not larger than 16 px \(the longer side 16 px in the median\)"),
        ([(40, 16)] * 20, "encoded", r"larger than 16 px \(the longer side 40 px in the median\): crops are cut at"),
        ([(16, 40)] * 12 + [(9, 9)] * 8, "encoded", r"larger than 16 px \(the longer side 40 px"),
        ([(16, 40)] * 8 + [(9, 9)] * 12, "resident", "not larger than 16 px"),
    ],
)
def test_larger_images_stay_encoded(sizes: list[tuple[int, int]], kept: str, why: str, tmp_path: Path) -> None:
    spec = _folder(tmp_path / "data", sizes)
    data = load(spec, 16, pixels="auto")
    (remark,) = [each for each in data.remarks if "px in the median" in each]
    assert data.pixels == kept
    assert re.search(why, remark)
    assert data.fingerprint == load(spec, 16, pixels=kept).fingerprint


def test_what_does_not_fit_stays_encoded_unless_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _folder(tmp_path / "data", [(16, 16)] * 20)
    with monkeypatch.context() as patch:
        patch.setattr(caching, "room", lambda: 20 * 3 * 16**2 - 1)
        data = load(spec, 16, pixels="auto")
    assert data.pixels == "encoded"
    assert any("decoded they would take 0 MB of the cache, which has 0 MB free" in each for each in data.remarks)
    resident = load(spec, 16)
    monkeypatch.setattr(caching.shutil, "disk_usage", lambda _: pytest.fail("asked although it is there"))
    again = load(spec, 16, pixels="auto")
    assert (again.pixels, again.fingerprint) == ("resident", resident.fingerprint)


@pytest.mark.parametrize("spec", ["digits", "synthetic:shape,n=20"])
def test_arrays_stay_resident(spec: str) -> None:
    data = load(spec, 8, pixels="auto")
    assert data.pixels == "resident"
    assert data.fingerprint == load(spec, 8).fingerprint
    assert any("drawn or downloaded as arrays, and stay resident" in remark for remark in data.remarks)


def test_the_extent_is_of_a_sample_and_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = _folder(tmp_path / "data", [(10 + number % 50, 8) for number in range(200)])
    read = []
    original = pixels.pixels
    monkeypatch.setattr(pixels, "pixels", lambda *how: read.append(how) or original(*how))
    extent = extent_of(source(spec))
    assert extent.images == 200
    assert abs(extent.longer_side - 34.5) < 4
    assert len(read) == pixels.SAMPLE
    assert extent_of(source(spec)) == extent
    assert len(read) == pixels.SAMPLE


def test_of_rows_the_first_ones_are_read(tmp_path: Path) -> None:
    contents = []
    for number in range(100):
        buffer = io.BytesIO()
        _image(number, 30 if number < pixels.SAMPLE else 5, 20).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    pq.write_table(pa.table({"image": contents}), tmp_path / "rows.parquet")
    assert extent_of(source(str(tmp_path / "rows.parquet"))) == Extent(100, 30)


def test_bad_images_are_left_to_the_decoding_unless_all_are_bad(tmp_path: Path) -> None:
    spec = _folder(tmp_path / "data", [(20, 10)] * 4)
    first, *others = sorted((tmp_path / "data").rglob("*.png"))
    first.write_bytes(b"no image")
    assert extent_of(source(spec)) == Extent(4, 20)
    for other in others:
        other.write_bytes(b"no image")
    with pytest.raises(DataError, match=rf"{first.name} is not an image"):
        extent_of(source(spec))
