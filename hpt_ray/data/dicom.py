"""DICOM images, as their files say that they are to be shown: modality values, window, polarity, colour.

Grey without a window is scaled as all deep images are, by the range of the whole data set (see ranges.py). They are
read by pydicom, an extra. Numbers of sections are those of the standard's part 3, PS3.3.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hpt_ray.core.errors import DataError
from hpt_ray.data.picture import Picture, check_extent, of_array
from hpt_ray.data.ranges import PHOTOMETRIC_TAG, WHITE_IS_ZERO

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: A file begins with this many bytes of anything, and then this mark.
PREAMBLE, MARK = 128, b"DICM"

# Without a handler Python prints what pydicom logs of each odd file.
logging.getLogger("pydicom").addHandler(logging.NullHandler())


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins so is DICOM."""
    return head[PREAMBLE : PREAMBLE + len(MARK)] == MARK


def picture(image: bytes | Path, where: str) -> Picture:
    """Decode a DICOM file of one frame.

    Raises:
        DataError: for a file without pixels, of several frames, compressed in a way that nothing installed decodes, or
            damaged; or where pydicom is not installed.
    """
    try:
        import pydicom
    except ImportError as error:
        raise DataError(
            f"{where} is a DICOM file: pip install 'hpt_ray[dicom]' to have it read, or convert it to PNG."
        ) from error
    try:
        file = pydicom.dcmread(io.BytesIO(image) if isinstance(image, bytes) else image)
        _check(file, where)
        return _shown(file, _stored(file, where))
    except DataError:
        raise
    # pydicom reports a damaged file with whatever it stumbles over.
    except Exception as error:
        raise DataError(f"{where} cannot be decoded ({' '.join(str(error).split())}); mend or remove it.") from error


def _check(file: Dataset, where: str) -> None:
    if not any(name in file for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise DataError(f"{where} is a DICOM file without pixels ({_kind(file)}); remove it.")
    frames = int(file.get("NumberOfFrames") or 1)
    if frames > 1:
        raise DataError(
            f"{where} has {frames} frames, a volume or a film, and one image is needed; save the frames that you mean "
            "as files of their own."
        )
    check_extent(int(file.Columns), int(file.Rows), where)


def _kind(file: Dataset) -> str:
    kind = file.get("SOPClassUID")
    return str(getattr(kind, "name", kind) or "of no stated kind")


def _stored(file: Dataset, where: str) -> npt.NDArray[Any]:
    """The pixels as they are stored, [H, W] or [H, W, 3] of RGB."""
    from pydicom.pixels.utils import pixel_array

    try:
        return pixel_array(file)
    except RuntimeError as error:
        if "missing dependencies" not in str(error):
            raise
        how = file.file_meta.TransferSyntaxUID.name
        raise DataError(
            f"{where} is compressed ({how}), and no decoder for it is installed: pip install pylibjpeg "
            "pylibjpeg-libjpeg pylibjpeg-openjpeg, or decompress it."
        ) from error


def _shown(file: Dataset, stored: npt.NDArray[Any]) -> Picture:
    """The picture that a file's pixels give by what the file says of them."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    photometric = str(file.PhotometricInterpretation)
    if photometric == "PALETTE COLOR":
        stored = apply_color_lut(stored, file)
        return of_array(stored if stored.dtype == np.uint8 else (stored >> 8).astype(np.uint8))
    if stored.ndim == 3:
        return of_array(stored)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"its photometric interpretation is {photometric}")
    negative = photometric == "MONOCHROME1"
    inverted = ("are MONOCHROME1: their shades are inverted",) if negative else ()
    padding = _padding(file, stored)
    values = apply_modality_lut(stored, file)
    share, notes = _through_window(file, values)
    if share is None and values.dtype == np.uint8 and not padding.any():
        return of_array(255 - values if negative else values, notes=(*notes, *inverted))
    if share is not None:
        shades = np.rint(255 * (1 - share if negative else share)).astype(np.uint8)
        return of_array(np.where(padding, np.uint8(0), shades), notes=(*notes, *inverted))
    # As float even where the numbers are whole: one range serves the whole data set, rescaled or not.
    numbers = np.where(padding, np.nan, values).astype(np.float32)
    tags = {PHOTOMETRIC_TAG: WHITE_IS_ZERO} if negative else {}
    return of_array(numbers, tags, (*notes, "are DICOM without a window"))


def _padding(file: Dataset, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where there is no measurement (C.7.5.1.1.2), bool [H, W]."""
    value = file.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, dtype=bool)
    limit = file.get("PixelPaddingRangeLimit")
    low, high = sorted((int(value), int(value if limit is None else limit)))
    return np.asarray((stored >= low) & (stored <= high))


def _through_window(file: Dataset, values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64] | None, tuple[str, ...]]:
    """Values as shares of white, 0 to 1, by the first VOI LUT or window (C.11.2); None without one; and notes."""
    from pydicom.pixels.processing import apply_voi

    if tables := file.get("VOILUTSequence"):
        first_taken = ("have several VOI LUTs: the first is applied",) if len(tables) > 1 else ()
        white = 2 ** int(tables[0].LUTDescriptor[2]) - 1
        return apply_voi(values, file) / white, ("are shown by the VOI LUT of their DICOM file", *first_taken)
    centres, widths = _values(file.get("WindowCenter")), _values(file.get("WindowWidth"))
    if not centres or not widths:
        return None, ()
    function = str(file.get("VOILUTFunction") or "LINEAR").upper()
    if widths[0] < (1 if function == "LINEAR" else 1e-9):
        return None, ("have a window without width, which is left out",)
    first_taken = ("have several windows: the first is applied",) if len(widths) > 1 else ()
    return window(values, centres[0], widths[0], function), (
        "are shown through the window of their DICOM file",
        *first_taken,
    )


def _values(value: Any) -> list[float]:
    """The numbers of an element that has none, one or several."""
    if value is None or value == "":
        return []
    return [float(each) for each in ([value] if isinstance(value, int | float | str) else value)]


def window(values: npt.NDArray[Any], centre: float, width: float, function: str) -> npt.NDArray[np.float64]:
    """Values of any shape as shares of white, 0 to 1.

    Args:
        function: LINEAR (C.11.2.1.2.1), LINEAR_EXACT (C.11.2.1.3.2) or SIGMOID (C.11.2.1.3.1).

    Raises:
        ValueError: for another function.
    """
    numbers = values.astype(np.float64)
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp((-4 * (numbers - centre) / width).clip(-700, 700))))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    elif function != "LINEAR_EXACT":
        raise ValueError(f"its VOI LUT function is {function}")
    if width == 0:
        return (numbers > centre).astype(np.float64)
    return ((numbers - centre) / width + 0.5).clip(0, 1)
