"""TIFF that Pillow cannot hold, against the values that tifffile wrote, and Pillow's own reading where it has one."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, UnidentifiedImageError

from hpt_ray.core.errors import DataError
from hpt_ray.data import decode, tiff
from hpt_ray.data.dataset import load
from hpt_ray.data.decode import pixels
from hpt_ray.data.records import Example

Array = np.ndarray


def _written(values: Array, **how: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **{"photometric": "minisblack", **how})
    return buffer.getvalue()


def _picture(bands: int) -> Array:
    """Bands [16, 32, bands] in 0..1, the least 0 and the greatest 1."""
    picture = np.random.default_rng(bands).random((16, 32, bands))
    return (picture - picture.min()) / (picture.max() - picture.min())


def _contiguous(bands: int) -> dict[str, object]:
    return {"planarconfig": "contig"} if bands > 1 else {}


@pytest.mark.parametrize(
    "how", [{}, {"compression": "lzw", "predictor": True}, {"tile": (16, 16), "compression": "zlib"}]
)
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("bands", [2, 3, 5, 13])
def test_bands_of_any_depth_are_scaled_by_one_range(
    bands: int, dtype: type, how: dict[str, object], tmp_path: Path
) -> None:
    low, high = (-100, 1500) if dtype is not np.uint16 else (200, 1800)
    images = [(low + (high - low) * _picture(bands) / (1 + i)).astype(dtype) for i in range(2)]
    for name, image in zip("ab", images, strict=True):
        (tmp_path / f"{name}.tif").write_bytes(_written(image, **_contiguous(bands), **how))
        with pytest.raises(UnidentifiedImageError):
            Image.open(tmp_path / f"{name}.tif")
    data = load(str(tmp_path), 16)
    shown = np.stack([image[:, 8:24, :3] if bands > 2 else image[:, 8:24, :1] for image in images]).astype(float)
    read = np.stack([image[..., :3] if bands > 2 else image[..., :1] for image in images]).astype(float)
    expected = (shown - read.min()) / (read.max() - read.min()) * 255
    if dtype is np.uint16:  # fills its 11 bits: their upper eight
        expected = np.floor(shown / 8)
    assert np.abs(np.broadcast_to(expected, (2, 16, 16, 3)).transpose(0, 3, 1, 2) - data.images).max() <= 0.51
    first = "the first three are read" if bands > 3 else "the first is read"
    assert (f"2 images have {bands} bands: {first}" in data.remarks) is (bands != 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_planes_apart_are_the_picture_in_one_plane(dtype: type) -> None:
    values = np.rint(_picture(3) * np.iinfo(dtype).max).astype(dtype)
    apart = _written(values.transpose(2, 0, 1).copy(), planarconfig="separate")
    together = _written(values, photometric="rgb")
    assert np.array_equal(pixels(Example(apart, "apart"), 16)[0], pixels(Example(together, "together"), 16)[0])


def test_eight_bits_marked_as_grey_are_read_as_they_are() -> None:
    values = np.rint(_picture(4) * 255).astype(np.uint8)
    decoded, look, *_ = pixels(Example(_written(values, planarconfig="contig"), "here"), 16)
    assert np.array_equal(decoded, values[:, 8:24, :3].transpose(2, 0, 1))
    assert look is not None and (look.bands, look.kind) == (4, "")


def test_what_geotiff_declares_to_be_no_data_is_black(tmp_path: Path) -> None:
    values = (_picture(5) * 40 + 10).astype(np.float32)
    values[:4] = -7
    (tmp_path / "a.tif").write_bytes(_written(values, planarconfig="contig", extratags=[(42113, 2, 0, "-7", True)]))
    data = load(str(tmp_path), 16)
    known = values[4:, :, :3].astype(float)
    expected = (values[4:, 8:24, :3] - known.min()) / (known.max() - known.min()) * 255
    assert not data.images[0, :, :4].any()
    assert np.abs(data.images[0, :, 4:].transpose(1, 2, 0) - expected).max() <= 0.51


@pytest.mark.parametrize("how", [{"compression": "lerc"}, {"compression": "lerc", "photometric": "miniswhite"}])
def test_a_compression_that_pillow_lacks(how: dict[str, Any]) -> None:
    values = np.rint(_picture(1)[..., 0] * 255).astype(np.uint8)
    shades = 255 - values if "photometric" in how else values
    assert np.array_equal(pixels(Example(_written(values, **how), "here"), 16)[0][0], shades[:, 8:24])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.ones((9, 9), np.complex64), "1 band of complex 64 bits: convert"),
        (np.ones((9, 9, 17), np.uint16), "17 bands of 16 bits, marked as shades of grey: convert"),
    ],
)
def test_what_is_no_image_is_described(values: Array, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = _written(values, **_contiguous(values.ndim - 1))
    with pytest.raises(DataError, match=f"^here is not an image that can be read but a TIFF of {says}"):
        pixels(Example(content, "here"), 8)
    assert capfd.readouterr() == ("", "")


def test_a_tiff_that_was_cut_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = _written(np.rint(_picture(5) * 999).astype(np.uint16), planarconfig="contig", compression="lzw")
    (tmp_path / "cut.tif").write_bytes(whole[:-1500])
    with pytest.raises(DataError, match=r"cut.tif cannot be decoded \(.*\); mend or remove it.$"):
        load(str(tmp_path), 8)
    assert capfd.readouterr() == ("", "")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(DataError, match=r"^here is .* 5 bands of 16 bits.*pip install 'hpt_ray\[tiff\]'.$"):
        pixels(Example(_written(np.ones((9, 9, 5), np.uint16), planarconfig="contig"), "here"), 8)


def test_what_pillow_reads_is_not_given_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "OTHERS", ((tiff.is_tiff, lambda *_: pytest.fail("read twice")),))
    values = np.rint(_picture(5) * 255).astype(np.uint8)
    for image in (_written(values, photometric="rgb"), _written(values[..., 0], tile=(16, 16), compression="lzw")):
        pixels(Example(image, "here"), 8)
