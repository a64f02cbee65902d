"""Images per second of a core for decoding and two crops of encoded images, against torchvision's own functions.

    python -m tests.benchmarks.bench_loader

The images are two photographs, again and again, as JPEG files. Each line is by CPU time and a median, so that other
work on the machine counts little. ``ours`` also checks each file's content against the index, and draws.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from torchvision.io import decode_jpeg
from torchvision.transforms.v2 import functional

from hpt_ray.core.identity import stream
from hpt_ray.data.dataset import Dataset, load
from hpt_ray.spec.policy import Policy
from hpt_ray.training.device import keep_memory
from hpt_ray.training.pixels import View
from hpt_ray.training.views import Views

#: Height and width in pixels.
SIZES = ((64, 64), (375, 500), (480, 640), (720, 1280))
COUNT, VIEW, ROUNDS = 32, 224, 7
CPU = torch.device("cpu")


def folder(root: Path, height: int, width: int) -> Path:
    for number in range(COUNT):
        photograph = Image.fromarray(load_sample_images().images[number % 2])
        path = root / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        # A little larger each, since equal images are told from each other by their content.
        photograph.resize((width, height), box=(0, 0, 500 + number, 375 + number)).save(path, quality=90)
    return root


def rate(work: Callable[[int], object]) -> float:
    """Images per second of CPU time, after a round to warm up."""
    work(0)
    seconds = []
    for number in range(ROUNDS):
        began = time.process_time()
        work(number)
        seconds.append(time.process_time() - began)
    return COUNT / statistics.median(seconds)


def drawn(views: Views, number: int) -> list[View]:
    indices = np.arange(COUNT)
    return [View(indices, views.draw(stream(0, "bench", number, which), indices)) for which in (0, 1)]


def torchvisions(views: Views, files: list[Path], number: int, *, float32: bool) -> None:
    """The same crops; by the book in uint8, which rounds them to eight bits, or in float32 as ours."""
    wanted = drawn(views, number)
    for index, file in enumerate(files):
        image = decode_jpeg(torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8))
        image = functional.to_dtype(image, torch.float32, scale=True) if float32 else image
        for view in wanted:
            box = (int(getattr(view.draws, side)[index]) for side in ("top", "left", "height", "width"))
            functional.resized_crop(image, *box, [VIEW, VIEW], antialias=True)


def compare(data: Dataset, files: list[Path], height: int, width: int) -> None:
    views = Views(data, Policy().without("color_jitter", "grayscale", "blur"), VIEW, CPU)
    ours = rate(lambda number: views.prepare(drawn(views, number)))
    whole, rounded = (
        rate(lambda number, float32=float32: torchvisions(views, files, number, float32=float32))
        for float32 in (True, False)
    )
    print(
        f"{width:>4} x {height:<4} two crops to {VIEW} px: {ours:7,.0f} images/s a core; "
        f"torchvision {whole:7,.0f} in float32, {rounded:7,.0f} rounded to eight bits"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    keep_memory()  # as a stage does
    with tempfile.TemporaryDirectory() as temporary, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPT_CACHE", str(Path(temporary, "cache")))
        for height, width in SIZES:
            root = folder(Path(temporary, f"{width}"), height, width)
            data = load(str(root), 32, pixels="encoded")
            compare(data, sorted(root.rglob("*.jpg")), height, width)
