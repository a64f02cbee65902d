"""Every kind of file that lies in folders of images: decoded to the pixels it holds, or refused in one line."""

from __future__ import annotations

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hpt_ray.core.errors import DataError
from hpt_ray.data.dataset import load
from tests.support.places import ROOT

SIDE = 16
#: Four quarters of one colour each: the truth of every picture below, and what must not be taken for it.
TRUTH = np.array([[[230, 20, 40], [30, 200, 60]], [[20, 40, 210], [240, 220, 90]]], dtype=np.uint8)
TRUTH = TRUTH.repeat(SIDE // 2, 0).repeat(SIDE // 2, 1)
PICTURE, OTHER = Image.fromarray(TRUTH), Image.fromarray(255 - TRUTH)
GREY = np.asarray(PICTURE.convert("L"))
CLEAR = np.where(np.arange(SIDE)[:, None, None] < SIDE // 2, TRUTH, 255).astype(np.uint8)  # its lower half transparent
ALPHA = Image.fromarray(np.where(np.arange(SIDE)[:, None] < SIDE // 2, np.full((SIDE, SIDE), 255), 0).astype(np.uint8))
#: EXIF orientation -> how the stored pixels come from the upright picture (EXIF 2.32, tag 274).
STORED = {
    1: TRUTH,
    2: TRUTH[:, ::-1],
    3: TRUTH[::-1, ::-1],
    4: TRUTH[::-1],
    5: TRUTH.swapaxes(0, 1),
    6: np.rot90(TRUTH),
    7: TRUTH[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(TRUTH, -1),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def encoded(image: Image.Image, kind: str, *, animated: bool = False, **how: object) -> bytes:
    """A file of that kind; animated, it has the other picture behind this one."""
    buffer = io.BytesIO()
    how |= {"quality": 98, "subsampling": 0} if kind in ("JPEG", "MPO") else {}
    how |= {"save_all": True, "append_images": [OTHER.copy()]} if animated else {}
    image.copy().save(buffer, kind, **how)  # Pillow leaves its encoder's settings in what it saves
    return buffer.getvalue()


def turned(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(Image.fromarray(np.ascontiguousarray(STORED[orientation])), kind, exif=exif)


def palette(transparent: bool) -> bytes:
    image = PICTURE.quantize(4)
    if transparent:  # one of the four colours
        return encoded(image, "PNG", transparency=int(np.asarray(image)[0, 0]))
    return encoded(image, "PNG")


def strip() -> bytes:
    """20,000 x 4 pixels that are of one colour at and around the central square."""
    pixels = np.zeros((4, 20_000, 3), dtype=np.uint8)
    pixels[:, 9_990:10_010] = 10, 200, 90
    return encoded(Image.fromarray(pixels), "PNG")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def wrong_sum(kind: bytes) -> bytes:
    """A PNG with a wrong checksum of one of its chunks."""
    content = bytearray(encoded(PICTURE, "PNG"))
    place = content.index(kind)
    (length,) = struct.unpack(">I", content[place - 4 : place])
    content[place + 4 + length] ^= 0xFF
    return bytes(content)


def grey(values: np.ndarray) -> np.ndarray:
    return values[..., None].repeat(3, -1)


DEEP = Image.fromarray((GREY.astype(np.uint16) << 8) | 0x7F)
#: File -> content, the pixels that it holds, and how far JPEG may be from them.
GOOD: dict[str, tuple[bytes, np.ndarray, int]] = {
    "plain.png": (encoded(PICTURE, "PNG"), TRUTH, 0),
    "plain.bmp": (encoded(PICTURE, "BMP"), TRUTH, 0),
    "plain.ppm": (encoded(PICTURE, "PPM"), TRUTH, 0),
    "plain.jp2": (encoded(PICTURE, "JPEG2000"), TRUTH, 0),
    "plain.webp": (encoded(PICTURE, "WEBP", lossless=True), TRUTH, 0),
    "lzw.tif": (encoded(PICTURE, "TIFF", compression="tiff_lzw"), TRUTH, 0),
    "plain.jpg": (encoded(PICTURE, "JPEG"), TRUTH, 4),
    "progressive.JPG": (encoded(PICTURE, "JPEG", progressive=True), TRUTH, 4),
    "cmyk.jpeg": (encoded(PICTURE.convert("CMYK"), "JPEG"), TRUTH, 6),
    "cmyk.tiff": (encoded(PICTURE.convert("CMYK"), "TIFF"), TRUTH, 0),
    "two_views.jpg": (encoded(PICTURE, "MPO", animated=True), TRUTH, 4),
    "animated.gif": (encoded(PICTURE, "GIF", animated=True), TRUTH, 0),
    "animated.webp": (encoded(PICTURE, "WEBP", lossless=True, animated=True), TRUTH, 0),
    "animated.png": (encoded(PICTURE, "PNG", animated=True), TRUTH, 0),
    "pages.tif": (encoded(PICTURE, "TIFF", animated=True), TRUTH, 0),
    "deep.png": (encoded(DEEP, "PNG"), grey(GREY), 0),
    "deep.tif": (encoded(DEEP, "TIFF"), grey(GREY), 0),
    "grey.png": (encoded(PICTURE.convert("L"), "PNG"), grey(GREY), 0),
    "grey.jpg": (encoded(PICTURE.convert("L"), "JPEG"), grey(GREY), 3),
    "bits.png": (encoded(Image.fromarray(GREY > 100), "PNG"), grey(np.where(GREY > 100, 255, 0)), 0),
    "bits.tif": (
        encoded(Image.fromarray(GREY > 100), "TIFF", compression="group4"),
        grey(np.where(GREY > 100, 255, 0)),
        0,
    ),
    "palette.png": (palette(False), TRUTH, 0),
    "palette_clear.png": (palette(True), np.where(TRUTH[0, 0] == TRUTH, 255, TRUTH), 0),
    "clear.png": (encoded(Image.merge("RGBA", (*PICTURE.split(), ALPHA)), "PNG"), CLEAR, 0),
    "clear_grey.png": (
        encoded(Image.merge("LA", (PICTURE.convert("L"), ALPHA)), "PNG"),
        np.where(np.asarray(ALPHA)[..., None] > 0, grey(GREY), 255),
        0,
    ),
    "strip.png": (strip(), np.broadcast_to(np.uint8([10, 200, 90]), TRUTH.shape), 0),
    "a_jpeg.png": (encoded(PICTURE, "JPEG"), TRUTH, 4),
    "a_png.jpg": (encoded(PICTURE, "PNG"), TRUTH, 0),
    "wrong_sum.png": (wrong_sum(b"IDAT"), TRUTH, 0),
    "garbage_behind.png": (encoded(PICTURE, "PNG") + b"garbage" * 99, TRUTH, 0),
    "garbage_behind.jpg": (encoded(PICTURE, "JPEG") + b"garbage" * 99, TRUTH, 4),
    **{f"turned_{number}.jpg": (turned("JPEG", number), TRUTH, 4) for number in STORED},
    **{f"turned_{number}.png": (turned("PNG", number), TRUTH, 0) for number in STORED},
    **{f"turned_{number}.tif": (turned("TIFF", number), TRUTH, 0) for number in STORED},
}


def huge(kind: str) -> bytes:
    """A header of 60,000 x 60,000 pixels, and next to nothing behind it."""
    if kind == "PNG":
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))
    content = encoded(PICTURE, kind)
    here = {"JPEG": struct.pack(">HH", SIDE, SIDE), "GIF": struct.pack("<HH", SIDE, SIDE)}[kind]
    there = struct.pack(">HH" if kind == "JPEG" else "<HH", 60_000, 60_000)
    return content.replace(here, there)


def cut(content: bytes, share: float = 0.6) -> bytes:
    return content[: int(share * len(content))]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
BAD: dict[str, tuple[bytes, str]] = {
    "empty.jpg": (b"", "is not an image"),
    "text.jpg": (b"a text that is called an image\n", "is not an image"),
    "page.png": (b"<html>404 Not Found</html>", "is not an image"),
    "postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image"),
    "cut.jpg": (cut(encoded(NOISE, "JPEG")), "cannot be decoded"),
    "cut_progressive.jpg": (cut(encoded(NOISE, "JPEG", progressive=True)), "cannot be decoded"),
    "cut.png": (cut(encoded(NOISE, "PNG")), "cannot be decoded"),
    "cut.gif": (cut(encoded(NOISE, "GIF")), "cannot be decoded"),
    "cut.webp": (cut(encoded(NOISE, "WEBP")), "cannot be "),
    "cut.tif": (cut(encoded(NOISE, "TIFF")), "cannot be "),
    "cut.bmp": (cut(encoded(NOISE, "BMP")), "cannot be decoded"),
    "cut.ppm": (cut(encoded(NOISE, "PPM")), "cannot be decoded"),
    "cut.jp2": (cut(encoded(NOISE, "JPEG2000")), "cannot be decoded"),
    "zeros.jpg": (encoded(NOISE, "JPEG")[:20] + bytes(4_000), "is not an image"),
    "wrong_sum.png": (wrong_sum(b"IHDR"), "is not an image"),
    "huge.png": (huge("PNG"), "the limit against decompression bombs"),
    "huge.jpg": (huge("JPEG"), "the limit against decompression bombs"),
    "huge.gif": (huge("GIF"), "the limit against decompression bombs"),
}


def folder(tmp_path: Path, **files: bytes) -> Path:
    """A flat folder with these images in it, and one that is good."""
    root = tmp_path / "images"
    root.mkdir()
    for name, content in {"zz.png": encoded(PICTURE, "PNG"), **files}.items():
        (root / name).write_bytes(content)
    return root


def refused(root: Path, cache: Path) -> str:
    """The one line that refuses a folder, of which the cache has no finished folder."""
    with pytest.raises(DataError) as caught:
        load(str(root), SIDE)
    assert [path for path in cache.glob("decoded/*") if path.suffix != ".lock" and not path.name.startswith(".")] == []
    line = str(caught.value)
    assert "\n" not in line and line.endswith(".")
    return line


def test_every_kind_is_decoded_to_what_it_holds(tmp_path: Path) -> None:
    data = load(str(folder(tmp_path, **{name: content for name, (content, _, _) in GOOD.items()})), SIDE)
    away = {
        name: int(np.abs(image.transpose(1, 2, 0).astype(int) - truth).max())
        for name, image in zip(sorted(GOOD), data.images, strict=False)
        for _, truth, _ in [GOOD[name]]
    }
    assert {name: error for name, error in away.items() if error > GOOD[name][2]} == {}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_refused_by_name(tmp_path: Path, cache: Path, name: str) -> None:
    content, says = BAD[name]
    root = folder(tmp_path, **{name: content})
    line = refused(root, cache)
    assert line.startswith(f"{root / name} ") and says in line


def test_all_bad_images_are_found_before_a_folder_is_refused(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path, **{name: content for name, (content, _) in BAD.items()})
    line, (first, *others) = refused(root, cache), sorted(BAD)
    assert line.startswith(f"{root / first} ")
    assert f"Of {len(BAD) + 1} images {len(BAD)} cannot be used; the others: " in line
    assert [name for name in others if str(root / name) in line] == others[:10]
    (listing,) = cache.glob("bad/*.txt")
    assert line.endswith(f" and {len(others) - 10} more. All are listed in {listing}; what could be decoded is kept.")
    assert [name for name in BAD if str(root / name) in listing.read_text()] == list(BAD)
    assert len(listing.read_text().splitlines()) == len(BAD)
    for name in BAD:
        (root / name).unlink()
    assert len(load(str(root), SIDE).images) == 1


def test_damage_that_pillow_only_warns_of_is_quiet(tmp_path: Path, cache: Path) -> None:
    content = turned("JPEG", 6)
    place = content.index(b"Exif")
    root = folder(tmp_path, **{"a.jpg": content[: place + 14] + b"\xff" * 2 + content[place + 16 :]})
    with pytest.warns(UserWarning, match="Corrupt EXIF"):  # under pytest, which has filters of its own
        load(str(root), SIDE)
    program = f"from hpt_ray.data.dataset import load; load({str(root)!r}, {SIDE}, pixels='encoded').images[:]"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HPT_CACHE": str(cache / "other")}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


# What is called an image and is no file


def test_a_pipe_or_a_socket_is_refused_and_not_waited_for(tmp_path: Path, cache: Path, monkeypatch) -> None:
    root = folder(tmp_path)
    os.mkfifo(root / "pipe.jpg")
    assert f"{root / 'pipe.jpg'} is no regular file" in refused(root, cache)
    (root / "pipe.jpg").unlink()
    monkeypatch.chdir(root)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as open_socket:
        open_socket.bind("socket.jpg")
        assert f"{root / 'socket.jpg'} is no regular file" in refused(root, cache)


@pytest.mark.parametrize("kind", ["image_list", "parquet", "image_folder"])
def test_a_pipe_is_no_data_set(tmp_path: Path, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe is neither a file nor a folder"):
        load(f"{kind}:{tmp_path / 'pipe'}", SIDE)


def test_a_folder_called_like_an_image_is_a_class(tmp_path: Path) -> None:
    for name in ("cat.jpg", "dog"):
        (tmp_path / "x" / name).mkdir(parents=True)
        (tmp_path / "x" / name / "1.png").write_bytes(encoded(PICTURE, "PNG"))
    assert load(str(tmp_path / "x"), SIDE).classes == ("cat.jpg", "dog")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file, whatever its mode")
def test_a_file_without_permission_is_refused_by_name(tmp_path: Path, cache: Path) -> None:
    root = folder(tmp_path, **{"closed.png": encoded(PICTURE, "PNG")})
    (root / "closed.png").chmod(0)
    assert f"{root / 'closed.png'} cannot be read: Permission denied" in refused(root, cache)


# Links


@pytest.mark.parametrize(("name", "goal"), [("gone.png", "nowhere.png"), ("self.png", "self.png"), ("up", "..")])
def test_a_link_that_leads_nowhere_or_round_is_refused_by_name(
    tmp_path: Path, cache: Path, name: str, goal: str
) -> None:
    root = folder(tmp_path)
    (root / name).symlink_to(goal)
    assert refused(root, cache).startswith(str(root / name))


def test_links_out_of_the_folder_are_the_owners_and_followed(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.png").write_bytes(encoded(OTHER, "PNG"))
    (root / "a.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    assert np.array_equal(load(str(root), SIDE).images[0].transpose(1, 2, 0), 255 - TRUTH)
