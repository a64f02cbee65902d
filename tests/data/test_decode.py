from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from hpt_ray.core.errors import DataError
from hpt_ray.data.decode import pixels
from hpt_ray.data.decoding import Decoding, decode_all
from hpt_ray.data.records import Example, Records
from hpt_ray.data.shards import Shards


def _picture(width: int, height: int) -> Image.Image:
    """A smooth colour picture."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    planes = [np.sin(x / 9 + y / 13), np.cos(x / 17 - y / 7), np.sin((x + y) / 21)]
    return Image.fromarray(np.rint(127.5 + 120 * np.stack(planes, -1)).astype(np.uint8))


def _encoded(image: Image.Image, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **how})
    return buffer.getvalue()


def _decoded(content: bytes, size: int = 8) -> np.ndarray:
    return pixels(Example(content, "here"), size)[0]


@pytest.mark.parametrize(("width", "height"), [(64, 64), (96, 64), (64, 97), (40, 200), (20, 31)])
def test_geometry_is_torchvisions_resize_and_centre_crop(width: int, height: int) -> None:
    image = _picture(width, height)
    expected = v2.Compose(
        [v2.Resize(32, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(32), v2.PILToTensor()]
    )(image)
    ours = torch.from_numpy(_decoded(_encoded(image), 32))
    # The crop may fall between pixels of the resized image, where torchvision rounds.
    assert (ours.float() - expected.float()).abs().mean() < 4
    if width == height:
        assert torch.equal(ours, expected)


def test_an_image_of_the_right_size_keeps_every_pixel() -> None:
    image = _picture(32, 32)
    assert np.array_equal(_decoded(_encoded(image), 32), np.asarray(image).transpose(2, 0, 1))


def test_large_jpeg_is_decoded_at_reduced_size_without_visible_change() -> None:
    image = _picture(800, 600)
    fast = _decoded(_encoded(image, format="JPEG", quality=95), 32).astype(int)
    assert np.abs(fast - _decoded(_encoded(image), 32)).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = _picture(32, 32)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that a camera held so has made
    stored = upright.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(_decoded(_encoded(stored, exif=exif), 32), _decoded(_encoded(upright), 32))


@pytest.mark.parametrize(
    ("image", "how", "expected"),
    [
        (Image.new("L", (9, 9), 77), {}, (77, 77, 77)),
        (Image.new("1", (9, 9), 1), {}, (255, 255, 255)),
        (Image.new("RGB", (9, 9), (200, 30, 90)).quantize(4), {}, (200, 30, 90)),
        (Image.new("LA", (9, 9), (100, 255)), {}, (100, 100, 100)),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (9, 9), (10, 20, 30, 255)), {}, (10, 20, 30)),
        (Image.new("RGB", (9, 9), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), {"format": "TIFF"}, (255, 0, 0)),
        (Image.fromarray(np.full((9, 9), 0x8040, dtype=np.uint16)), {}, (0x80, 0x80, 0x80)),
        (Image.new("YCbCr", (9, 9), (150, 128, 128)), {"format": "TIFF"}, (150, 150, 150)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_mode_becomes_rgb(image: Image.Image, how: dict[str, object], expected: tuple[int, int, int]) -> None:
    decoded = _decoded(_encoded(image, **how))
    assert decoded.shape == (3, 8, 8)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.reshape(3, -1).T.astype(int) - expected).max() <= 1


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    assert np.array_equal(
        _decoded(_encoded(frames[0], format="GIF", save_all=True, append_images=frames[1:]))[:, 0, 0], [255, 0, 0]
    )


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_arrays_need_no_encoding(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    expected = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=-1)
    assert np.array_equal(pixels(Example(values, "here"), 8)[0], expected.transpose(2, 0, 1))


def _bomb() -> bytes:
    """A small PNG that declares 50,000 x 50,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an image"),
        (b"not an image at all", "is not an image"),
        (_encoded(_picture(64, 64))[:2000], "cannot be decoded"),
        (_encoded(_picture(64, 64), format="JPEG")[:900], "cannot be decoded"),
        (_bomb(), "decompression bombs"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"II*\0" + bytes(60), "cannot be decoded"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC photograph: convert"),
        (bytes(128) + b"DICM", "DICOM file without pixels"),
        (b"%PDF-1.7\n", "PDF document: convert"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG.: convert"),
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "bomb", "eps", "lfs", "html", "tiff", "heic", "dicom", "pdf", "svg"],
)
def test_a_bad_image_is_named(content: bytes, says: str) -> None:
    with pytest.raises(DataError, match=f"^here .*{says}"):
        _decoded(content)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_between_pillows_warning_and_its_error_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 63 * 64)
    with pytest.raises(DataError, match="4,032 pixels"):
        _decoded(_encoded(_picture(64, 64)))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        pixels(Example(tmp_path / "gone.png", str(tmp_path / "gone.png")), 8)


def test_all_images_keep_their_order_and_report_progress(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (500, 8, 8), dtype=np.uint8)
    examples = (Example(image, str(i), i % 3, "train" if i < 400 else "test") for i, image in enumerate(values))
    images = np.zeros((500, 3, 8, 8), dtype=np.uint8)
    shards = Shards(tmp_path / "scratch", 500)
    decoding = Decoding("it", 8, images, shards, folder=None, packs=tmp_path / "packs", listing=tmp_path / "bad.txt")
    seen: list[tuple[int, int]] = []
    reading = decode_all(
        Records(500, ("a", "b", "c"), examples),
        lambda: pytest.fail("read twice"),
        decoding,
        lambda *done: seen.append(done),
    )
    columns = shards.joined()
    assert np.array_equal(images, np.repeat(values[:, None], 3, axis=1))
    assert np.array_equal(columns["labels"], np.arange(500) % 3)
    assert np.unique(columns["hashes"]).size == 500
    assert (columns["given"] == "train").sum() == 400
    assert (columns["sizes"] == 8).all()
    assert "targets" not in columns
    assert reading.plain
    assert seen == sorted(seen)
    assert seen[-1] == (500, 500)


@pytest.mark.parametrize("extent", [(1, 1), (1, 9), (9, 1)])
def test_pixels_can_be_written_to_as_torch_asks(extent: tuple[int, int]) -> None:
    """torch warns of an array that cannot, once in a process and with a line of our code."""
    content = _encoded(_picture(*extent))
    assert pixels(Example(content, "here"), None).pixels.flags.writeable
    assert _decoded(content, 1).flags.writeable
