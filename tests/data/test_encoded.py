"""Images that stay encoded: the bytes of the resident array by index, and the whole image at full resolution."""

from __future__ import annotations

import io
import os
import pickle
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from hpt_ray.core.errors import DataError
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.encoded import Encoded
from tests.support.places import SHARED_DATA

COUNT = 24


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _image(number: int) -> Image.Image:
    """A smooth picture of a size of its own, in one of the modes that files have."""
    width, height = 40 + 7 * number, 90 - 2 * number
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [np.sin(x / (5 + number) + y / 13), np.cos(x / 17 - y / 7), np.sin((x + y) / 21)]
    image = Image.fromarray(np.rint(127.5 + 120 * np.stack(planes, -1)).astype(np.uint8))
    return image.convert(("RGB", "L", "P", "RGBA")[number % 4])


def _bytes(number: int) -> tuple[bytes, str]:
    """An encoded picture and its suffix: JPEG, one in three of which lies on its side by EXIF, or PNG."""
    image, buffer = _image(number), io.BytesIO()
    if image.mode in ("P", "RGBA"):
        image.save(buffer, "PNG")
        return buffer.getvalue(), "png"
    exif = Image.Exif()
    exif[0x0112] = 6 if number % 3 == 0 else 1
    image.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue(), "jpg"


def _folder(root: Path) -> Path:
    for number in range(COUNT):
        content, suffix = _bytes(number)
        path = root / "ab"[number % 2] / f"{number:03}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def _list(root: Path) -> Path:
    files = sorted(_folder(root).rglob("*.*"))
    lines = [f"{file.relative_to(root)},{file.parent.name}" for file in files]
    (root / "list.csv").write_text("\n".join(lines))
    return root / "list.csv"


def _rows() -> dict[str, list[object]]:
    images = [{"bytes": _bytes(number)[0], "path": f"{number}.jpg"} for number in range(COUNT)]
    return {"image": images, "label": [number % 2 for number in range(COUNT)]}


def _parquet(root: Path) -> Path:
    root.mkdir()
    pq.write_table(pa.table(_rows()), root / "rows.parquet", row_group_size=5)
    return root / "rows.parquet"


def _arrow(root: Path) -> Path:
    root.mkdir()
    table = pa.table(_rows())
    with pa.OSFile(str(root / "rows.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return root / "rows.arrow"


def _tar(root: Path) -> Path:
    root.mkdir()
    for shard in range(2):
        with tarfile.open(root / f"shard-{shard}.tar", "w") as archive:
            for number in range(shard * COUNT // 2, (shard + 1) * COUNT // 2):
                content, suffix = _bytes(number)
                for kind, held in ((suffix, content), ("cls", str(number % 2).encode())):
                    member = tarfile.TarInfo(f"{number:03}.{kind}")
                    member.size = len(held)
                    archive.addfile(member, io.BytesIO(held))
    return root


KINDS = {"folder": _folder, "list": _list, "parquet": _parquet, "arrow": _arrow, "tar": _tar}


def _both(spec: Path, size: int = 32) -> tuple[Dataset, Dataset, Encoded]:
    resident, encoded = load(str(spec), size), load(str(spec), size, pixels="encoded")
    assert encoded.encoded is not None
    assert (resident.pixels, encoded.pixels, resident.encoded) == ("resident", "encoded", None)
    return resident, encoded, encoded.encoded


@pytest.mark.parametrize("kind", KINDS)
def test_by_index_they_are_the_resident_array(kind: str, tmp_path: Path) -> None:
    resident, encoded, images = _both(KINDS[kind](tmp_path / "data"))
    expected = resident.resident
    assert images.shape == expected.shape
    assert np.array_equal(images[:], expected)
    assert np.array_equal(images[5], expected[5])
    assert np.array_equal(images[-1], expected[-1])
    assert np.array_equal(images[np.array([3, 3, 0])], expected[[3, 3, 0]])
    assert np.array_equal(images[np.arange(COUNT) % 5 == 0], expected[::5])
    assert images[:0].shape == (0, 3, 32, 32)
    with pytest.raises(IndexError):
        images[COUNT]
    for name in ("labels", "hashes", "perceptual", "sizes"):
        assert np.array_equal(getattr(resident, name), getattr(encoded, name)), name
    for name in ("train", "val", "test"):
        assert np.array_equal(resident.splits[name], encoded.splits[name])
    assert encoded.remarks == (*resident.remarks, "its images stay encoded, as asked: crops are cut at full resolution")
    for name in ("mean", "std", "classes", "excluded", "given"):
        assert getattr(resident, name) == getattr(encoded, name), name


@pytest.mark.parametrize("kind", KINDS)
def test_at_full_resolution_they_are_what_pillow_reads(kind: str, tmp_path: Path) -> None:
    _, data, images = _both(KINDS[kind](tmp_path / "data"))
    order = range(COUNT) if kind in ("parquet", "arrow", "tar") else [*range(0, COUNT, 2), *range(1, COUNT, 2)]
    for index, number in enumerate(order):
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(_bytes(number)[0])))
        if image.mode == "RGBA":
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        assert np.array_equal(images.full(index), expected)
        assert tuple(data.sizes[index]) == expected.shape[1:]


@pytest.mark.parametrize(
    ("compression", "kind", "packed"),
    [(None, pa.binary(), False), (None, pa.large_binary(), False), ("zstd", pa.binary(), True)],
)
@pytest.mark.parametrize("stream", [True, False])
def test_bytes_of_arrow_are_read_where_they_stand_unless_they_are_compressed(
    compression: str | None, kind: pa.DataType, packed: bool, stream: bool, tmp_path: Path, cache: Path
) -> None:
    contents = [_bytes(number)[0] for number in range(COUNT)]
    structs = pa.StructArray.from_arrays([pa.array(["a"] * COUNT), pa.array(contents, kind)], ["path", "bytes"])
    options = pa.ipc.IpcWriteOptions(compression=compression)
    for name, column in (("plain", pa.array(contents, kind)), ("structs", structs)):
        table = pa.table({"image": column}).slice(1)
        new = pa.ipc.new_stream if stream else pa.ipc.new_file
        with pa.OSFile(str(tmp_path / f"{name}.arrow"), "wb") as file, new(file, table.schema, options=options) as out:
            out.write_table(table, max_chunksize=7)
        resident, _, images = _both(tmp_path / f"{name}.arrow")
        for row in (0, 6, 7, COUNT - 2):
            expected = ImageOps.exif_transpose(Image.open(io.BytesIO(contents[row + 1])))
            assert images.full(row).shape[1:] == (expected.height, expected.width)
        assert np.array_equal(images[:], resident.resident)
    assert bool([*cache.glob("indexed/*/packs/*")]) is packed


def test_the_fingerprint_is_another_and_has_the_size(tmp_path: Path) -> None:
    spec = str(_folder(tmp_path / "data"))
    prints = {load(spec, size, pixels=pixels).fingerprint for size in (16, 32) for pixels in ("resident", "encoded")}
    assert len(prints) == 4


def test_deep_values_are_read_by_the_rule_of_the_data_set(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(COUNT):
        values = generator.integers(100, 1000 + 100 * number, (50, 40)).astype(np.uint16)
        path = tmp_path / "data" / "ab"[number % 2] / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (Image.fromarray(values) if number % 3 else Image.fromarray((values >> 4).astype(np.uint8))).save(path)
    resident, encoded, images = _both(tmp_path / "data")
    assert np.array_equal(images[:], resident.resident)
    assert (resident.mean, resident.std, resident.remarks) == (encoded.mean, encoded.std, encoded.remarks[:-1])
    deep = np.asarray(Image.open(sorted((tmp_path / "data" / "a").iterdir())[1]))
    assert [one.bits for one in images.reading.whole] == [12]
    assert np.array_equal(images.full(1)[0], deep >> 4)


def test_bands_that_pillow_cannot_hold_and_dicom_are_read_as_when_resident(tmp_path: Path) -> None:
    tifffile, pydicom = pytest.importorskip("tifffile"), pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    generator = np.random.default_rng(0)
    bands, dicoms = tmp_path / "bands", tmp_path / "dicoms"
    for folder in (bands, dicoms):
        folder.mkdir()
    for number in range(6):
        values = generator.integers(0, 4000, (5, 30 + number, 40)).astype(np.uint16)
        tifffile.imwrite(bands / f"{number}.tif", values, planarconfig="separate", photometric="minisblack")
    file = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    for number in range(3):
        file.PixelData = (file.pixel_array + number).astype(np.int16).tobytes()
        file.save_as(dicoms / f"{number}.dcm")
    for folder, shape in ((bands, (3, 32, 40)), (dicoms, (3, 128, 128))):
        resident, _, images = _both(folder)
        assert np.array_equal(images[:], resident.resident)
        assert images.full(2).shape == shape
        assert resident.sizes[2].tolist() == [*shape[1:]]


@pytest.mark.skipif(not SHARED_DATA.is_dir(), reason="the shared copies of public data sets are not here")
@pytest.mark.parametrize("name", ["brain_mri", "pacs_photo"])
def test_public_data_sets_are_the_same_resident_and_encoded(name: str) -> None:
    resident, encoded, images = _both(SHARED_DATA / name, 48)
    chosen = np.random.default_rng(0).choice(len(images), 60, replace=False)
    assert np.array_equal(images[chosen], resident.resident[chosen])
    for field in ("hashes", "perceptual", "labels", "sizes"):
        assert np.array_equal(getattr(resident, field), getattr(encoded, field))
    assert (resident.mean, resident.std) == (encoded.mean, encoded.std)


def test_a_data_set_that_was_moved_is_found_at_its_new_place(tmp_path: Path) -> None:
    before = load(str(_folder(tmp_path / "data")), 32, pixels="encoded").images[:]
    (tmp_path / "data").rename(tmp_path / "moved")
    assert np.array_equal(load(str(tmp_path / "moved"), 32, pixels="encoded").images[:], before)


def test_threads_a_pickle_and_a_fork_read_the_same(tmp_path: Path) -> None:
    _, _, images = _both(_tar(tmp_path / "data"))
    expected = images[:]
    with ThreadPoolExecutor(4) as pool:
        assert all(
            np.array_equal(one, other)
            for one, other in zip(pool.map(images.__getitem__, range(COUNT)), expected, strict=True)
        )
    content = pickle.dumps(images)
    assert len(content) < 5_000
    assert np.array_equal(pickle.loads(content)[:], expected)
    reader, writer = os.pipe()
    if not (child := os.fork()):
        os.write(writer, images[7].tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1 << 16) == expected[7].tobytes()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.write_bytes(_bytes(1)[0]), "has changed since the data was looked at: run"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "has changed"),
        (lambda path: path.unlink(), r"cannot be read: No such file"),
    ],
)
def test_a_file_that_changes_is_named(change: object, says: str, tmp_path: Path) -> None:
    _, _, images = _both(_folder(tmp_path / "data"))
    change(tmp_path / "data" / "a" / "000.jpg")
    for read in (images.full, images.__getitem__):
        with pytest.raises(DataError, match=rf"000\.jpg.*{says}"):
            read(0)
    assert images.full(1).ndim == 3


def test_an_index_that_is_deleted_during_a_run_is_one_line(tmp_path: Path, cache: Path) -> None:
    _, _, images = _both(_folder(tmp_path / "data"))
    shutil.rmtree(cache)
    with pytest.raises(DataError, match="in the cache is gone or damaged: run the command again"):
        images[0]


@pytest.mark.parametrize("spec", ["digits", "synthetic:shape,n=20"])
def test_arrays_cannot_stay_encoded(spec: str) -> None:
    with pytest.raises(DataError, match=rf"{spec} has arrays and no files, which cannot stay encoded"):
        load(spec, 8, pixels="encoded")
