"""DICOM, against pydicom's own files, its processing of pixels, and the standard's formulas."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.decoders import JPEGLSLosslessDecoder
from pydicom.pixels.processing import apply_modality_lut, apply_voi, apply_windowing
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from hpt_ray.core.errors import DataError
from hpt_ray.data import dicom
from hpt_ray.data.dataset import load
from hpt_ray.data.decode import pixels
from hpt_ray.data.records import Example

Array = np.ndarray


def _file(stored: Array, **elements: Any) -> Dataset:
    """A DICOM file of grey [H, W], or of colour [H, W, 3], of 16 or 8 bits."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = "1.2.3"
    file.Rows, file.Columns = stored.shape[:2]
    file.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    file.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = 8 * stored.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(stored.dtype.kind == "i")
    file.PixelData = stored.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    return file


def _bytes(file: Dataset) -> bytes:
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def _stored(low: int, high: int, dtype: type = np.int16) -> Array:
    return np.linspace(low, high, 256).reshape(16, 16).astype(dtype)


def _decoded(file: Dataset, size: int = 16) -> Array:
    decoded = pixels(Example(_bytes(file), "here"), size)[0]
    assert (decoded[0] == decoded[1]).all()
    return decoded[0]


WINDOW: dict[str, Any] = {"WindowCenter": 40, "WindowWidth": 400}
RESCALED: dict[str, Any] = {"RescaleSlope": 2, "RescaleIntercept": -1024}


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("rescaled", [{}, RESCALED])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (10.5, 1), (0, 2)])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_the_window_is_pydicoms(
    dtype: type, centre: float, width: float, rescaled: dict[str, Any], function: str | None
) -> None:
    stored = _stored(0 if dtype is np.uint16 else -1000, 1500, dtype)
    how = {} if function is None else {"VOILUTFunction": function}
    file = _file(stored, WindowCenter=centre, WindowWidth=width, **rescaled, **how)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        theirs = apply_windowing(apply_modality_lut(stored, file), file)
    bits = np.iinfo(dtype)
    black, white = (
        float(end) * file.get("RescaleSlope", 1) + file.get("RescaleIntercept", 0) for end in (bits.min, bits.max)
    )
    assert np.abs(_decoded(file) - (theirs - black) / (white - black) * 255).max() <= 0.5001


def test_of_several_windows_the_first_is_applied_and_said(tmp_path: Path) -> None:
    stored = _stored(-1000, 1500)
    for name in "ab":
        (tmp_path / f"{name}.dcm").write_bytes(_bytes(_file(stored, WindowCenter=[40, -600], WindowWidth=[400, 1500])))
    data = load(str(tmp_path), 16)
    assert np.array_equal(data.images[0, 0], _decoded(_file(stored, **WINDOW)))
    assert "2 images have several windows: the first is applied" in data.remarks
    assert "2 images are shown through the window of their DICOM file" in data.remarks


@pytest.mark.parametrize("how", [{}, WINDOW])
def test_monochrome1_is_inverted(how: dict[str, Any], tmp_path: Path) -> None:
    stored = _stored(-1000, 1500)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "1.dcm").write_bytes(_bytes(_file(stored, **how)))
    (tmp_path / "b" / "1.dcm").write_bytes(_bytes(_file(stored, PhotometricInterpretation="MONOCHROME1", **how)))
    data = load(str(tmp_path), 16)
    assert np.array_equal(data.images[1], 255 - data.images[0])
    assert any("their shades are inverted" in remark for remark in data.remarks)


def test_without_a_window_one_range_serves_the_whole_data_set(tmp_path: Path) -> None:
    files = [_file(_stored(0, 1000), **RESCALED), _file(_stored(-500, 300)), _file(_stored(0, 90, np.uint16))]
    for number, file in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(_bytes(file))
    data = load(str(tmp_path), 16)
    values = np.stack([apply_modality_lut(file.pixel_array, file) for file in files]).astype(float)
    assert (values.min(), values.max()) == (-1024, 976)
    assert np.abs(data.images[:, 0] - (values + 1024) / 2000 * 255).max() <= 0.51
    assert "3 images are DICOM without a window" in data.remarks
    assert "3 images have values in float: -1,024 to 976 as black to white" in data.remarks


@pytest.mark.parametrize("how", [{}, WINDOW])
def test_padding_is_black_and_stretches_nothing(how: dict[str, Any], tmp_path: Path) -> None:
    stored = _stored(-1000, 1500)
    plain = _file(stored, **how)
    padded = stored.copy()
    padded[3:5, :3] = -32768
    (tmp_path / "a.dcm").write_bytes(_bytes(plain))
    (tmp_path / "b.dcm").write_bytes(_bytes(_file(padded, PixelPaddingValue=-32768, **how)))
    first, second = load(str(tmp_path), 16).images[:, 0]
    expected = first.copy()
    expected[3:5, :3] = 0
    assert np.array_equal(second, expected)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_voi_lut_comes_before_a_window(bits: int) -> None:
    table = Dataset()
    table.LUTDescriptor = [100, 20, bits]
    table.LUTData = np.linspace(2**bits - 1, 0, 100).astype(int).tolist()
    table["LUTData"].VR = "US"
    table["LUTDescriptor"].VR = "US"
    stored = _stored(0, 200, np.uint16)
    file = _file(stored, VOILUTSequence=[table], WindowCenter=40, WindowWidth=400)
    assert np.abs(_decoded(file) - apply_voi(stored, file) / (2**bits - 1) * 255).max() <= 0.5001


def test_colour_is_read_as_it_is() -> None:
    stored = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    decoded, look, *_ = pixels(Example(_bytes(_file(stored)), "here"), 16)
    assert np.array_equal(decoded, stored.transpose(2, 0, 1))
    assert look is None


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "examples_palette.dcm", "SC_rgb_rle_16bit.dcm"])
def test_files_that_scanners_wrote(name: str, tmp_path: Path) -> None:
    shutil.copy(str(get_testdata_file(name)), tmp_path)
    (image,) = load(str(tmp_path), 32).images
    assert image.std() > 10
    assert (image[0] == image[1]).all() == ("small" in name)
    (of_all,) = load(str(tmp_path), 32, channels="all").images
    if name == "SC_rgb_rle_16bit.dcm":  # each of its colours has a range of its own
        assert of_all.shape == image.shape
    else:
        assert np.array_equal(of_all, image[:1] if "small" in name else image)


def test_a_film_is_refused() -> None:
    with pytest.raises(DataError, match=r"^here has 30 frames, a volume or a film"):
        pixels(Example(Path(str(get_testdata_file("examples_ybr_color.dcm"))), "here"), 32)


def _without(name: str) -> Dataset:
    file = _file(_stored(0, 9))
    delattr(file, name)
    return file


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (_bytes(_without("PixelData")), r"is a DICOM file without pixels \(CT Image Storage\); remove it"),
        (_bytes(_without("Rows")), r"cannot be decoded \(.*Rows.*\); mend or remove it"),
        (_bytes(_file(_stored(0, 9)))[:-99], r"cannot be decoded \(.*\); mend or remove it"),
        (_bytes(_file(np.zeros((4, 8, 8), np.uint8)[0], NumberOfFrames=4)), "has 4 frames"),
        (_bytes(_file(_stored(0, 9), Rows=60_000, Columns=60_000)), "decompression bombs"),
        (_bytes(_file(_stored(0, 9), VOILUTFunction="CUBIC", **WINDOW)), "VOI LUT function is CUBIC"),
        (_bytes(_file(_stored(0, 9), PhotometricInterpretation="HSV")), "photometric interpretation is HSV"),
    ],
    ids=["no pixels", "no rows", "cut", "frames", "bomb", "function", "colour"],
)
def test_what_is_no_image_is_named(content: bytes, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=f"^here .*{says}") as caught:
        pixels(Example(content, "here"), 8)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_compression_without_a_decoder_is_named() -> None:
    if JPEGLSLosslessDecoder.is_available:
        pytest.skip("a decoder of JPEG-LS is installed")
    with pytest.raises(DataError, match=r"^here is compressed \(JPEG-LS.*\), and no decoder.*pip install pylibjpeg"):
        dicom.picture(Path(str(get_testdata_file("MR_small_jpeg_ls_lossless.dcm"))), "here")


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"^here is a DICOM file: pip install 'hpt_ray\[dicom\]'.*PNG.$"):
        pixels(Example(bytes(128) + b"DICM", "here"), 8)
