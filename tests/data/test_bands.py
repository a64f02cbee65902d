"""Images whose channels are chosen, against the numbers that were written and the rule for each channel in words."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
from PIL import Image

from hpt_ray.core.channels import Channels
from hpt_ray.core.errors import DataError
from hpt_ray.data import inventory
from hpt_ray.data.channel_count import of_other_data
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.data.decode import pixels
from hpt_ray.data.preparing import preparation
from hpt_ray.data.records import Example, source

Array = np.ndarray
SIDE = 16


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HPT_CACHE", str(tmp_path / "cache"))


def _written(values: Array, **how: Any) -> bytes:
    buffer = io.BytesIO()
    plane = {"planarconfig": "contig"} if values.ndim == 3 else {}
    tifffile.imwrite(buffer, values, **{"photometric": "minisblack", **plane, **how})
    return buffer.getvalue()


def _images(bands: int, dtype: type, tops: Any, count: int = 6) -> list[Array]:
    """Images [SIDE, SIDE, bands] whose bands reach from 0 up to ``tops``, each in at least one image."""
    rng = np.random.default_rng(bands)
    images = rng.random((count, SIDE, SIDE, bands))
    images[0, 0, 0], images[0, 0, 1] = 0, 1
    return [(image * tops).astype(dtype) for image in images]


def _folder(root: Path, images: list[Array], **how: Any) -> str:
    for number, image in enumerate(images):
        file = root / f"class{number % 2}" / f"{number:02}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_written(image, **how))
    return str(root)


def _in_order(data: Dataset) -> Array:
    order = [*range(0, len(data.images), 2), *range(1, len(data.images), 2)]
    images = np.empty((len(order), data.channels, SIDE, SIDE), np.uint8)
    images[order] = data.images[np.arange(len(order))]
    return images.transpose(0, 2, 3, 1)


def _line(data: Dataset) -> str:
    return " ".join(inventory.lines([data]))


TOPS = np.array([60, 900, 3_000, 12_000, 250])


@pytest.mark.parametrize("channels", ["all", (4, 3, 2), (1, 5)])
def test_every_band_has_a_range_of_its_own(channels: Channels, tmp_path: Path) -> None:
    images = _images(5, np.uint16, TOPS)
    data = load(_folder(tmp_path / "bands", images), SIDE, channels=channels)
    bands = np.arange(5) if channels == "all" else np.array(channels) - 1
    # Each fills its bits: the upper eight of 8 (as they are), 10, 12, 14 and 8.
    expected = np.stack(images)[..., bands] >> np.array([0, 2, 4, 6, 0])[bands]
    assert np.array_equal(_in_order(data), expected)
    assert (len(data.mean), len(data.std), data.channels) == (len(bands),) * 3
    assert "16 x 16 px, 5 channels of 16 bits" in _line(data)
    assert ("all 5 channels are read" if channels == "all" else "are read, which count from 1") in _line(data)
    assert "6 images have more than 8 bits: each channel has its own black and white (1" in _line(data)


def test_bands_of_float_are_stretched_each_from_its_least_to_its_greatest(tmp_path: Path) -> None:
    low, high = np.array([-1.0, 200, 0]), np.array([1.0, 320, 1e-3])
    images = [low + image * (high - low) for image in _images(3, np.float64, 1.0)]
    data = load(_folder(tmp_path / "bands", [image.astype(np.float32) for image in images]), SIDE, channels="all")
    stacked = np.stack(images)
    least, greatest = stacked.min(axis=(0, 1, 2)), stacked.max(axis=(0, 1, 2))
    expected = (stacked - least) / (greatest - least) * 255
    assert np.abs(_in_order(data) - expected).max() <= 0.51


def test_means_are_those_of_each_channel_over_train_and_val(tmp_path: Path) -> None:
    images = _images(4, np.uint8, [255, 100, 30, 200], count=40)
    data = load(_folder(tmp_path / "bands", images), SIDE, channels="all")
    pool = np.asarray(data.images[data.pool]) / 255
    assert np.allclose(data.mean, pool.mean(axis=(0, 2, 3)))
    assert np.allclose(data.std, pool.std(axis=(0, 2, 3)))


def test_single_channels_stay_single(tmp_path: Path) -> None:
    images = [image[..., 0] for image in _images(1, np.float32, 7.0)]
    data = load(_folder(tmp_path / "grey", images), SIDE, channels="all")
    assert data.images.shape == (6, 1, SIDE, SIDE)
    assert "grey of float (its one channel is read)" in _line(data)
    usual = load(str(tmp_path / "grey"), SIDE)
    assert np.array_equal(usual.images[:, :1], data.images)


@pytest.mark.parametrize(
    ("mode", "count"), [("RGB", 3), ("RGBA", 3), ("L", 1), ("LA", 1), ("P", 3), ("1", 1), ("I;16", 1), ("CMYK", 3)]
)
def test_transparency_is_no_channel(mode: str, count: int, tmp_path: Path) -> None:
    rng, file = np.random.default_rng(0), tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(rng.integers(0, 2**16, (9, 9), dtype=np.uint16)).save(file)
    else:
        Image.fromarray(rng.integers(0, 256, (9, 9, 4), dtype=np.uint8), "RGBA").convert(mode).save(file)
    as_usual = pixels(Example(file, "x"), 9).pixels
    assert np.array_equal(pixels(Example(file, "x"), 9, channels="all").pixels, as_usual[:count])
    assert count == 3 or (as_usual == as_usual[:1]).all()


def test_a_band_that_a_tiff_marks_as_transparency_is_read_by_its_number_alone(tmp_path: Path) -> None:
    values = _images(4, np.uint8, 255)[0]
    file = tmp_path / "marked.tif"
    file.write_bytes(_written(values, photometric="rgb", extrasamples=["unassalpha"]))
    every, picked = (pixels(Example(file, "x"), SIDE, channels=channels) for channels in ("all", (4, 1)))
    assert np.array_equal(every.pixels, values[..., :3].transpose(2, 0, 1))
    assert np.array_equal(picked.pixels, values[..., [3, 0]].transpose(2, 0, 1))
    assert (
        every.evidence is not None and "mark band 4 as transparency: it is no channel unless" in every.evidence.notes[0]
    )


def test_rows_shards_and_drawn_arrays_have_channels_too(tmp_path: Path) -> None:
    images = _images(5, np.uint16, TOPS)
    table = pa.table({"image": [_written(image) for image in images], "label": [number % 2 for number in range(6)]})
    pq.write_table(table, tmp_path / "train.parquet")
    data = load(str(tmp_path / "train.parquet"), SIDE, channels="all")
    folder = load(_folder(tmp_path / "bands", images), SIDE, channels="all")
    assert np.array_equal(np.asarray(data.images), _in_order(folder).transpose(0, 3, 1, 2))
    with tarfile.open(tmp_path / "train-0.tar", "w") as shard:
        for number, image in enumerate(images):
            for suffix, content in (("tif", _written(image)), ("cls", b"%d" % (number % 2))):
                entry = tarfile.TarInfo(f"{number:03}.{suffix}")
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))
    for kept in ("resident", "encoded"):
        shards = load(str(tmp_path / "train-0.tar"), SIDE, pixels=kept, channels="all")
        assert np.array_equal(shards.images[np.arange(6)], data.images)
    (tmp_path / "drawn.py").write_text(
        "import numpy as np\n"
        "from hpt_ray.data.records import Example, Records, Source\n\n\n"
        "def dataset(argument):\n"
        "    draw = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 5), dtype=np.uint8)\n"
        "    examples = [Example(image, str(i), i % 2) for i, image in enumerate(draw)]\n"
        "    return Source('drawn', 'd1', lambda: Records(8, ('a', 'b'), examples))\n"
    )
    drawn = load(str(tmp_path / "drawn.py"), SIDE, channels="all")
    expected = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 5), dtype=np.uint8).transpose(0, 3, 1, 2)
    assert np.array_equal(drawn.images, expected)
    usual = load(str(tmp_path / "drawn.py"), SIDE)
    assert np.array_equal(usual.images, expected[:, :3])
    assert usual.remarks == ("8 images have 5 bands: the first three are read",)


def test_arrays_of_four_channels_are_transparent_unless_channels_are_chosen() -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, 9, 4), dtype=np.uint8)
    clear = Image.fromarray(array)
    white = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    assert np.array_equal(pixels(Example(array, "x"), 9).pixels, np.asarray(white).transpose(2, 0, 1))
    assert np.array_equal(pixels(Example(array, "x"), 9, channels="all").pixels, array.transpose(2, 0, 1))


@pytest.mark.parametrize("channels", ["all", (5, 1)])
def test_images_that_stay_encoded_have_the_same_pixels(channels: Channels, tmp_path: Path) -> None:
    spec = _folder(tmp_path / "bands", _images(5, np.uint16, TOPS))
    resident = load(spec, SIDE, channels=channels)
    encoded = load(spec, SIDE, pixels="encoded", channels=channels)
    assert encoded.images.shape == resident.images.shape
    assert np.array_equal(encoded.images[np.arange(6)], resident.images)
    assert np.array_equal(encoded.encoded.full(3), resident.images[3])  # type: ignore[union-attr]
    assert load(spec, SIDE // 2, pixels="auto", channels=channels).encoded is not None  # larger than the square
    assert len({resident.fingerprint, encoded.fingerprint, load(spec, SIDE).fingerprint}) == 3


@pytest.mark.parametrize(
    ("channels", "last", "says"),
    [
        ("all", 4, r"05.tif has 4 channels and .*00.tif has 5, and channels=all needs as many in every image: remove"),
        ((5, 1), 4, r"05.tif has 4 channels, and channels=5,1 names number 5: name others \(they count from 1\)"),
        ("all", 17, r"05.tif has 17 channels, and at most 16 can be read: save it with fewer.$"),
    ],
)
def test_an_image_of_other_channels_is_named(channels: Channels, last: int, says: str, tmp_path: Path) -> None:
    images = [*_images(5, np.uint16, TOPS, count=5), np.ones((SIDE, SIDE, last), np.uint16)]
    with pytest.raises(DataError, match=says) as error:
        load(_folder(tmp_path / "bands", images), SIDE, channels=channels)
    assert "\n" not in str(error.value)


def test_the_usual_channels_keep_their_identity(tmp_path: Path) -> None:
    spec = _folder(tmp_path / "bands", _images(5, np.uint16, TOPS))
    keys = [preparation(spec, SIDE, channels=channels).key for channels in (3, "all", (1, 2), (2, 1))]
    assert len(set(keys)) == 4 and keys[0] == preparation(spec, SIDE).key


def test_numbers_of_bands_are_those_of_the_targets_kind(tmp_path: Path) -> None:
    bands = source(_folder(tmp_path / "bands", _images(5, np.uint16, TOPS)))
    photos = source(_folder(tmp_path / "photos", _images(3, np.uint8, 255), photometric="rgb"))
    drawn = source("synthetic:objects,n=80")
    grey = source(_folder(tmp_path / "grey", [image[..., 0] for image in _images(1, np.uint8, 255)]))
    for channels in ((4, 3), "all", 3):
        assert [of_other_data(each, channels) for each in (bands, photos, drawn, grey)] == [channels, 3, 3, 3]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("error")
def test_a_channel_of_one_value_or_of_none_is_black_and_told(dtype: type, tmp_path: Path) -> None:
    images = _images(4, dtype, 1.0)
    for image in images:
        image[..., 1], image[..., 2] = 0.25, np.nan
    data = load(_folder(tmp_path / "bands", images), SIDE, channels="all")
    read = _in_order(data)
    assert not read[..., 1:3].any()
    assert np.ptp(read[..., 0]) == np.ptp(read[..., 3]) == 255
    told = [remark for remark in data.remarks if "nothing can be learned" in remark]
    assert told == [
        "channel 2 is 0.25 in all of these 6 images: nothing can be learned from it",
        "channel 3 is no measurement (NaN, endless or declared as no data) in all of these 6 images: nothing can be "
        "learned from it",
    ]


def test_pages_that_are_not_read_are_said_and_overviews_are_no_pages(tmp_path: Path) -> None:
    image = _images(4, np.uint16, 4000)[0]
    stack, pyramid = tmp_path / "stack.tif", tmp_path / "pyramid.tif"
    tifffile.imwrite(stack, image.transpose(2, 0, 1), photometric="minisblack")
    with tifffile.TiffWriter(pyramid) as writer:
        writer.write(image, photometric="minisblack", planarconfig="contig")
        writer.write(image[::2, ::2], photometric="minisblack", planarconfig="contig", subfiletype=1)
    for file, notes in ((stack, ("have 4 pages: the first is read, and pages are no channels",)), (pyramid, ())):
        evidence = pixels(Example(file, "x"), SIDE, channels="all").evidence
        assert evidence is not None
        assert evidence.notes == notes


def test_images_of_other_depths_are_counted_in_words(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "bands", _images(4, np.uint16, 4000))
    (tmp_path / "bands/class0/00.tif").write_bytes(_written(_images(4, np.uint8, 255)[0]))
    line = _line(load(folder, SIDE, channels="all"))
    assert "5 with 4 channels of 16 bits, 1 with 4 channels of 8 bits (all 4 channels are read)" in line
