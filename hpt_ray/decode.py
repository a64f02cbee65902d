"""An encoded image to a square of RGB pixels, and a whole data set to one array.

The geometry is the usual evaluation transform: the shorter side is resized to ``size`` (bicubic, antialiased) and the
centre cropped, done as one resampling of the centre square so that a very long image never becomes a very large one.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import struct
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from hpt_ray.errors import DataError
from hpt_ray.records import Example, Records

#: Pillow's decoders in use; the others (EPS starts an interpreter, for one) have no business with a stranger's file.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2"}
)

#: Pillow's decoders report a corrupt file with whatever they stumble over.
BROKEN = (OSError, EOFError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)
#: As many bad images are named: more would not be read in one line.
NAMED = 10

#: Images of one task of the thread pool: enough that its bookkeeping vanishes beside the decoding.
CHUNK = 32

#: How files begin that are saved under an image's name, and what to do about them.
DISGUISED = (
    (b"version https://git-lfs", "a Git LFS pointer: fetch the images with 'git lfs pull'"),
    (b"<!doctype html", "an HTML page: download the image again"),
    (b"<html", "an HTML page: download the image again"),
)
# Without a handler Python prints what Pillow logs of each odd TIFF; an image is good or refused in our words.
logging.getLogger("PIL").addHandler(logging.NullHandler())

Progress = Callable[[int, int], None]


def pixels(example: Example, size: int) -> npt.NDArray[np.uint8]:
    """Decode one image to uint8 [3, size, size].

    EXIF orientation is applied; transparency is laid over white; 16-bit grey keeps its upper byte; grey of no stated
    range (32-bit integer or float) is stretched from its minimum to its maximum; of an animation the first frame is
    taken.

    Raises:
        DataError: names the image that is missing, corrupt, truncated, or larger than Pillow's limit against
            decompression bombs.
    """
    try:
        with _opened(example.image) as image:
            _check_extent(image, example.where)
            # Only JPEG acts on this: it decodes at a fraction of the resolution, never below twice what is needed.
            image.draft(None, (2 * size, 2 * size))
            upright = ImageOps.exif_transpose(image)
            square = ImageOps.fit(rgb(upright), (size, size), method=Image.Resampling.BICUBIC)
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(example.where) from error
    except UnidentifiedImageError as error:
        raise DataError(f"{example.where} is not an image {_instead(example.image)}.") from error
    except BROKEN as error:
        raise DataError(f"{example.where} cannot be decoded ({error}); mend or remove it.") from error
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def rgb(image: Image.Image) -> Image.Image:
    """Any mode of Pillow to RGB; see ``pixels`` for the rules."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        grey = np.nan_to_num(np.asarray(image, dtype=np.float64))
        low, high = float(grey.min()), float(grey.max())
        return Image.fromarray(np.rint((grey - low) / max(high - low, 1e-12) * 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return image.convert("RGB")


def decode_all(
    records: Records, images: npt.NDArray[np.uint8], progress: Progress | None = None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bytes_], npt.NDArray[np.str_], npt.NDArray[np.int8] | None]:
    """Decode every image into ``images`` (uint8 [N, 3, size, size]) on all cores, holding few at a time.

    Returns:
        Labels (int64 [N], -1 where there is none), content hashes of the decoded images (32 hexadecimal digits [N]),
        the given splits ("" where there is none), and the targets of multi-label data (int8 [N, C]), else None.

    Raises:
        DataError: if images cannot be decoded, once all have been tried, so that they are mended in one go: says what
            is wrong with the first, how many there are and the names of a few.
    """
    size = images.shape[-1]
    labels = np.full(records.count, -1, dtype=np.int64)
    hashes = np.zeros(records.count, dtype="S32")
    splits = np.full(records.count, "", dtype="U5")
    targets = np.full((records.count, len(records.classes)), -1, dtype=np.int8) if records.multilabel else None
    bad: dict[int, tuple[str, str]] = {}

    def decode(start: int, examples: list[Example]) -> int:
        for index, example in enumerate(examples, start):
            try:
                images[index] = pixels(example, size)
            except DataError as error:
                bad[index] = example.where, str(error)
                continue
            hashes[index] = hashlib.blake2b(images[index].tobytes(), digest_size=16).hexdigest().encode()
            labels[index] = -1 if example.label is None else example.label
            splits[index] = example.split or ""
            if targets is not None and example.targets is not None:
                targets[index] = example.targets
        return start + len(examples)

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    waiting: deque[Future[int]] = deque()
    # What Pillow warns of names no file: an image is good or refused.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        try:
            for start, examples in _chunks(records):
                waiting.append(pool.submit(decode, start, examples))
                if len(waiting) > 2 * workers:
                    _report(waiting.popleft().result(), records.count, progress)
            while waiting:
                _report(waiting.popleft().result(), records.count, progress)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if bad:
        raise _refused([bad[index] for index in sorted(bad)], records.count)
    return labels, hashes, splits, targets


def _chunks(records: Records) -> Iterator[tuple[int, list[Example]]]:
    examples = iter(records.examples)
    start = 0
    while chunk := list(islice(examples, CHUNK)):
        yield start, chunk
        start += len(chunk)


def _refused(bad: Sequence[tuple[str, str]], count: int) -> DataError:
    (_, first), *others = bad
    if not others:
        return DataError(first)
    named = ", ".join(where for where, _ in others[:NAMED])
    rest = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
    return DataError(f"{first} Of {count:,} images {len(bad):,} cannot be used; the others: {named}{rest}.")


def _report(done: int, count: int, progress: Progress | None) -> None:
    if progress is not None:
        progress(done, count)


def _opened(image: bytes | Path | Image.Image | npt.NDArray[np.uint8]) -> Image.Image:
    if isinstance(image, Image.Image):
        return image
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    return Image.open(io.BytesIO(image) if isinstance(image, bytes) else image, formats=FORMATS)


def _instead(image: bytes | Path | Image.Image | npt.NDArray[np.uint8]) -> str:
    """What a file is that Pillow does not know, and what to do: completes "is not an image ..."."""
    head = b""
    if isinstance(image, bytes):
        head = image[:512]
    elif isinstance(image, Path):
        with image.open("rb") as file:
            head = file.read(512)
    for start, what in DISGUISED:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(start):
            return f"but {what}"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return (
            "that can be read: Pillow knows no TIFF of these bands or bits; convert it to grey, or to red, green and "
            "blue of 8 bits each"
        )
    return "that can be read; mend or remove it"


def _check_extent(image: Image.Image, where: str) -> None:
    # Between the limit and twice the limit Pillow only warns, on a channel that threads share.
    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise _too_large(where)
    if min(image.size) < 1:
        raise DataError(f"{where} has no pixels; remove it.")


def _too_large(where: str) -> DataError:
    return DataError(
        f"{where} has more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels, the limit against decompression bombs; "
        "scale it down or cut it into tiles."
    )
