"""Pixels of more than eight bits, against the values that were written and the formula in words."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from hpt_ray.data import cache
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.facts import DECODER
from hpt_ray.data.preparing import Preparation
from hpt_ray.data.records import source

Array = np.ndarray


def _shapes() -> list[Array]:
    """Twelve patterns in 0..1 [32, 32], all different, that use the whole of it."""
    y, x = np.mgrid[0:32, 0:32] / 31
    waves = [np.sin(5 * x + i) * np.cos((3 + i % 3) * y + i) for i in range(12)]
    return [(wave - wave.min()) / (wave.max() - wave.min()) for wave in waves]


def _saved(folder: Path, images: list[Array], suffix: str, save: Callable[[Path, Array], object] | None = None) -> Path:
    for number, image in enumerate(images):
        path = folder / f"class{number % 2}" / f"{number:02}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, image) if save else Image.fromarray(image).save(path)
    return folder


def _loaded(
    folder: Path, images: list[Array], suffix: str, save: Callable[[Path, Array], object] | None = None
) -> Dataset:
    return load(str(_saved(folder, images, suffix, save)), 32)


def _plain_fingerprint(folder: Path) -> str:
    """The fingerprint of a folder whose images need no rule of their own."""
    return Preparation(str(folder), source(str(folder)), 32, "resident").key


def _in_order(data: Dataset) -> Array:
    """The images [N, 32, 32] or, of colour, [N, 3, 32, 32], in the order of their numbers."""
    order = [*range(0, len(data.images), 2), *range(1, len(data.images), 2)]  # class0 comes first
    found = np.empty_like(data.images)
    found[order] = data.images
    return found[:, 0] if (found[:, 0] == found[:, 1]).all() else found


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
def test_the_same_photographs_are_the_same_at_any_depth(bits: int, suffix: str, tmp_path: Path) -> None:
    sixteen = [np.rint(shape * 65535).astype(np.uint16) for shape in _shapes()]
    data = _loaded(tmp_path / "deep", [image >> (16 - bits) for image in sixteen], suffix)
    assert np.array_equal(_in_order(data), np.stack([image >> 8 for image in sixteen]))
    eight = _loaded(tmp_path / "eight", [(image >> 8).astype(np.uint8) for image in sixteen], suffix)
    assert np.array_equal(data.hashes, eight.hashes)
    assert data.excluded == 0
    assert any(f"0 to {2**bits - 1:,} as black to white" in remark for remark in data.remarks)


def test_sixteen_bits_keep_their_identity_and_other_depths_have_their_own(tmp_path: Path) -> None:
    for bits, same in ((16, True), (12, False)):
        folder = tmp_path / str(bits)
        data = _loaded(folder, [np.rint(shape * (2**bits - 1)).astype(np.uint16) for shape in _shapes()], "png")
        assert (data.fingerprint == _plain_fingerprint(folder)) is same


def test_counts_below_256_in_sixteen_bits_stay_as_they_are(tmp_path: Path) -> None:
    counts = [np.rint(shape * 250).astype(np.uint16) for shape in _shapes()]
    assert np.array_equal(_in_order(_loaded(tmp_path, counts, "png")), np.stack(counts))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (30_000, 33_000), (0, 20)])
def test_what_fills_little_of_its_bits_is_stretched_from_least_to_greatest(low: int, high: int, tmp_path: Path) -> None:
    images = [np.rint(low + shape * (high - low)).astype(np.uint16) for shape in _shapes()]
    expected = np.rint((np.stack(images).astype(float) - low) / (high - low) * 255)
    assert np.array_equal(_in_order(_loaded(tmp_path, images, "png")), expected)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_one_range_serves_the_whole_data_set(dtype: type, tmp_path: Path) -> None:
    # The second half is dim: stretched one by one, all would be equally bright.
    images = [(shape * (2000 if i < 6 else 200) - 500).astype(dtype) for i, shape in enumerate(_shapes())]
    expected = np.rint((np.stack(images).astype(float) + 500) / 2000 * 255)
    data = _loaded(tmp_path, images, "tif")
    assert np.abs(_in_order(data).astype(int) - expected).max() <= 1
    assert _in_order(data)[6:].max() <= 26


def test_a_map_with_a_stated_maximum_keeps_its_scale(tmp_path: Path) -> None:
    """PGM states it (here 1,023), and Pillow scales by it."""

    def save(path: Path, image: Array) -> None:
        path.write_bytes(b"P5\n32 32\n1023\n" + image.astype(">u2").tobytes())

    images = [np.rint(shape * 1023).astype(np.uint16) for shape in _shapes()]
    expected = np.rint(np.stack(images) / 1023 * 65535).astype(int) >> 8
    assert np.abs(_in_order(_loaded(tmp_path, images, "pgm", save)).astype(int) - expected).max() <= 1


NODATA = [-9999, -999, -99999, -32768, np.nan, np.inf, -np.inf, -3.4028235e38, 9.96921e36, 1e20, 9999, 32767, 65535]


@pytest.mark.parametrize("value", NODATA)
def test_no_data_is_black_and_does_not_stretch_the_rest(value: float, tmp_path: Path) -> None:
    images = [(shape * 40 - 10).astype(np.float32) for shape in _shapes()]
    expected = np.rint((np.stack(images).astype(float) + 10) / 40 * 255)
    expected[:, :3, :3] = 0
    for image in images:
        image[:3, :3] = value
    assert np.abs(_in_order(_loaded(tmp_path, images, "tif")).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(("dtype", "value"), [(np.int32, -9999), (np.int32, -2147483648), (np.uint16, 65535)])
def test_no_data_among_whole_numbers(dtype: type, value: int, tmp_path: Path) -> None:
    images = [np.rint(shape * 4095).astype(dtype) for shape in _shapes()]
    expected = np.stack(images).astype(int) >> 4
    expected[:, :3, :3] = 0
    for image in images:
        image[:3, :3] = value
    data = _loaded(tmp_path, images, "tif")
    assert np.array_equal(_in_order(data), expected)
    assert any(f"{value:,.6g} as no data" in remark for remark in data.remarks)


def test_a_customary_value_among_others_is_a_value(tmp_path: Path) -> None:
    """Air in a CT image is -1000 Hounsfield units, so -999 is next to it; the sea is deeper than 9,999 m."""
    for low, high, customary in ((-1024, 3071, -999), (-10_900, 8_000, -9999)):
        images = [np.rint(low + shape * (high - low)).astype(np.int32) for shape in _shapes()]
        images[0][0, 0] = customary
        expected = np.rint((np.stack(images).astype(float) - low) / (high - low) * 255)
        data = _loaded(tmp_path / str(low), images, "tif")
        assert np.array_equal(_in_order(data), expected)
        assert not any("no data" in remark for remark in data.remarks)


def test_what_the_file_declares_to_be_no_data_is_left_out(tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[42113] = "-77"
    tags.tagtype[42113] = 2

    def save(path: Path, image: Array) -> None:
        Image.fromarray(image).save(path, tiffinfo=tags)

    images = [(shape * 5).astype(np.float32) for shape in _shapes()]
    expected = np.rint(np.stack(images).astype(float) / 5 * 255)
    expected[:, 0, 0] = 0
    for image in images:
        image[0, 0] = -77
    assert np.abs(_in_order(_loaded(tmp_path, images, "tif", save)).astype(int) - expected).max() <= 1


def _png(image: Array) -> bytes:
    """A PNG of colour in 16 bits, which Pillow reads but does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 16, {3: 2, 4: 6}[image.shape[2]], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _tiff(image: Array, order: str = "<", extra: int | None = None) -> bytes:
    """A baseline TIFF, uncompressed, of [H, W, bands]: Pillow writes few kinds. ``extra`` is the tag ExtraSamples."""
    height, width, bands = image.shape
    bits, kind = image.dtype.itemsize * 8, {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    data = image.astype(image.dtype.newbyteorder(order)).tobytes()

    def shorts(tag: int, *values: int) -> bytes:
        nonlocal data
        packed = struct.pack(f"{order}{len(values)}H", *values)
        if len(packed) > 4:
            packed, data = struct.pack(order + "I", 8 + len(data)), data + packed
        return struct.pack(order + "HHI", tag, 3, len(values)) + packed.ljust(4, b"\0")

    size = len(data)
    entries = [shorts(256, width), shorts(257, height), shorts(258, *[bits] * bands), shorts(259, 1)]
    entries += [shorts(262, 2 if bands > 2 else 1), shorts(273, 8), shorts(277, bands), shorts(278, height)]
    entries += [struct.pack(order + "HHII", 279, 4, 1, size), shorts(284, 1)]
    entries += [] if extra is None else [shorts(338, *[extra] * (bands - (3 if bands > 2 else 1)))]
    entries += [shorts(339, *[kind] * bands)]
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(data))
    return head + data + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def _colours() -> list[Array]:
    shapes = _shapes()
    return [np.stack([shapes[i], shapes[i - 1], shapes[i - 2]], -1) for i in range(12)]


@pytest.mark.parametrize("how", ["png", "tif <", "tif >", "tif by libtiff"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_colour_of_sixteen_bits_is_scaled_like_grey(
    bits: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TiffImagePlugin, "READ_LIBTIFF", "libtiff" in how)  # as Pillow reads what is compressed

    def save(path: Path, image: Array) -> None:
        path.write_bytes(_png(image) if how == "png" else _tiff(image, ">" if ">" in how else "<"))

    deep = [np.rint(image * (2**bits - 1)).astype(np.uint16) for image in _colours()]
    expected = np.stack([(image >> (bits - 8)).transpose(2, 0, 1) for image in deep])
    assert np.array_equal(_in_order(_loaded(tmp_path, deep, how[:3], save)), expected)


def test_transparency_of_deep_colour_is_laid_over_white(tmp_path: Path) -> None:
    def save(path: Path, image: Array) -> None:
        path.write_bytes(_png(image))

    deep = [np.rint(image * 4095).astype(np.uint16) for image in _colours()]
    clear = [np.concatenate([image, np.full((32, 32, 1), 65535, np.uint16)], -1) for image in deep]
    for image in clear:
        image[:4, :4, 3] = 0
    expected = np.stack([(image >> 4).transpose(2, 0, 1) for image in deep])
    expected[:, :, :4, :4] = 255
    assert np.array_equal(_in_order(_loaded(tmp_path, clear, "png", save)), expected)


@pytest.mark.parametrize("orientation", [3, 6])
def test_deep_images_are_turned_upright(orientation: int, tmp_path: Path) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274] = orientation

    def save(path: Path, image: Array) -> None:
        Image.fromarray(image).save(path, tiffinfo=tags)

    deep = [np.rint(shape * 4095).astype(np.uint16) for shape in _shapes()]
    turned = [np.rot90(image >> 4, {3: 2, 6: -1}[orientation]) for image in deep]
    assert np.array_equal(_in_order(_loaded(tmp_path, deep, "tif", save)), np.stack(turned))


def _band(soft: bool) -> list[Array]:
    images = [np.rint(image * 255).astype(np.uint8) for image in _colours()]
    band = np.full((32, 32, 1), 255, np.uint8)
    if soft:
        band[:] = np.arange(20, 84).reshape(2, 32)[np.arange(32) % 2][..., None]
    else:
        band[:3] = 0
    return [np.concatenate([image, band], -1) for image in images]


@pytest.mark.parametrize("extra", [None, 2])
@pytest.mark.parametrize("soft", [False, True])
def test_a_fourth_band_is_transparency_only_where_it_looks_like_it(
    soft: bool, extra: int | None, tmp_path: Path
) -> None:
    images = _band(soft)
    data = _loaded(tmp_path, images, "tif", lambda path, image: path.write_bytes(_tiff(image, extra=extra)))
    expected = np.stack([image[..., :3].transpose(2, 0, 1) for image in images])
    if not soft:
        expected[:, :, :3] = 255
    assert np.array_equal(_in_order(data), expected)
    assert any("12 TIFF images have a band beside their colours" in remark for remark in data.remarks) is soft


def test_bands_that_are_not_read_are_said(tmp_path: Path) -> None:
    images = [np.concatenate([image, image[..., :2]], -1) for image in _band(True)]
    data = _loaded(tmp_path, images, "tif", lambda path, image: path.write_bytes(_tiff(image[..., :5], extra=0)))
    assert np.array_equal(_in_order(data), np.stack([image[..., :3].transpose(2, 0, 1) for image in images]))
    assert "12 images have 5 bands: the first three are read" in data.remarks


def _grey_tiff(path: Path, image: Array, photometric: int) -> None:
    """A TIFF of one strip, little-endian, whose PhotometricInterpretation is ``photometric``."""
    kind = {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    high, wide = image.shape
    rows = [(256, wide), (257, high), (258, image.dtype.itemsize * 8), (259, 1), (262, photometric), (273, 134)]
    rows += [(277, 1), (278, high), (279, image.nbytes), (339, kind)]
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in rows)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(rows)) + tags + bytes(4) + image.tobytes())


@pytest.mark.parametrize(("depth", "times"), [("<u2", 257), ("<u2", 16), ("<f4", 1)])
def test_a_negative_is_read_alike_at_any_depth(depth: str, times: int, tmp_path: Path) -> None:
    """Where the file says that 0 is white, as X-ray detectors do; one that says nothing of the kind lies beside it."""
    eight = [np.rint(shape * 255).astype(np.uint8) for shape in _shapes()]

    def save(path: Path, image: Array) -> None:
        _grey_tiff(path, image, 0 if int(path.stem) % 2 else 1)

    shallow = _in_order(_loaded(tmp_path / "eight", eight, "tif", save))
    assert np.array_equal(shallow[1], 255 - eight[1]) and np.array_equal(shallow[2], eight[2])
    deep = _loaded(tmp_path / "deep", [image.astype(depth) * times for image in eight], "tif", save)
    assert np.array_equal(_in_order(deep), shallow)
    assert "6 of these images say that their least value is white: their shades are inverted" in deep.remarks
    assert deep.fingerprint != _plain_fingerprint(tmp_path / "deep")


def test_nearly_constant_images_are_remarked_upon(tmp_path: Path) -> None:
    images = [np.rint(shape * 255).astype(np.uint8) for shape in _shapes()]
    assert _loaded(tmp_path / "good", images, "png").remarks == ()
    images[3][:] = 7
    images[5] = images[5] // 64
    images[6] = images[6] // 16
    assert [remark.partition(" (")[0] for remark in _loaded(tmp_path / "flat", images, "png").remarks] == [
        "2 of 12 images are nearly constant"
    ]


@pytest.mark.parametrize("gone", ["reading", "remarks", "decoder"])
def test_a_cache_of_an_earlier_version_is_decoded_again(
    gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    folder = _saved(tmp_path / "data", [np.rint(shape * 1023).astype(np.uint16) for shape in _shapes()], "png")
    first = load(str(folder), 32)
    (facts,) = cache.root().glob("decoded/*/facts.json")
    old = {name: value for name, value in json.loads(facts.read_text()).items() if name != gone}
    facts.write_text(json.dumps(old))
    again = load(str(folder), 32)
    assert (again.fingerprint, again.remarks) == (first.fingerprint, first.remarks)
    assert json.loads(facts.read_text())["decoder"] == DECODER


@pytest.mark.parametrize(("hot", "narrow"), [(1e9, 11), (3.0, None)])
def test_one_value_far_from_all_others_is_told_with_how_many_images_it_blackens(
    hot: float, narrow: int | None, tmp_path: Path
) -> None:
    images = [shape.astype(np.float32) for shape in _shapes()]
    images[3][0, 0] = hot
    data = _loaded(tmp_path, images, "tif")
    told = [remark for remark in data.remarks if "of nearly one shade" in remark]
    black = sum(image.max() < 2 for image in _in_order(data))
    assert black == (narrow or 0)
    assert told == (
        [
            "11 of these 12 images use less than 2 of the 255 shades and are of nearly one shade: if 0 or 1e+09 is no "
            "measurement, write NaN or declare it as no data"
        ]
        if narrow
        else []
    )
