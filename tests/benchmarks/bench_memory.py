"""The most memory that a study takes: of the command, of the workers that train, and of Ray's own services.

    python -m tests.benchmarks.bench_memory                                # scale=paper in miniature, on Ray
    python -m tests.benchmarks.bench_memory --images 200000 --keep DIR -- --set backbone=resnet_small --workers 2

Photographs of 500 x 375 are made first, in ten folders; words after ``--`` replace the settings of the study. Memory is
proportional set size (a page that several processes share counts once) and is looked at twice a second, so what is
cached by the system does not count, and what Ray keeps in shared memory does.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.support.processes import Bench, bench

#: The paper's scale, small: ResNet-50 at 224 px in two processes, few images and iterations.
SETTINGS = (
    "scale=paper",
    "base=synthetic:objects,n=400",
    "policies=baseline,crop_only",
    "arms=base,base>target",
    "seeds=1",
    "iterations=2",
    "base_iterations=2",
    "batch=32",
    "group=16",
    "options=moco_v2.queue=256,sgd.iterations=20,sgd.repeats=1",
)
PAPER = ["--workers", "2", *(word for setting in SETTINGS for word in ("--set", setting))]
BASES, CLASSES = 300, 10


def photographs(folder: Path, count: int) -> None:
    """Writes ``count`` JPEG files of 500 x 375: crops of two photographs, each with quantisation tables of its own."""
    rng = np.random.default_rng(0)
    originals = load_sample_images().images
    encoded = []
    for index in range(BASES):
        original = originals[index % 2]
        height, width, _ = original.shape
        crop_height = int(height * rng.uniform(0.75, 0.88))
        crop_width = crop_height * 4 // 3
        top, left = rng.integers(0, height - crop_height + 1), rng.integers(0, width - crop_width + 1)
        image = Image.fromarray(original[top : top + crop_height, left : left + crop_width]).resize((500, 375))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=88)
        encoded.append(buffer.getvalue())
    for name in range(CLASSES):
        (folder / f"class{name}").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        copy, base = divmod(number, BASES)
        content = bytearray(encoded[base])
        table = content.index(b"\xff\xdb") + 5  # after the marker, the length and the table's number
        for digit in range(7):
            content[table + 1 + digit] = min(255, content[table + 1 + digit] + (copy >> (2 * digit) & 3))
        (folder / f"class{base % CLASSES}" / f"{number:06d}.jpg").write_bytes(content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--keep", type=Path, help="a folder for images, cache and store that is not removed")
    parser.add_argument("words", nargs="*", help="of hpt-study run augment_ablation --set target=IMAGES, after --")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.keep or Path(scratch)
        images = folder / "images"
        if not images.exists():
            photographs(images, chosen.images)
        measure(folder, ["--set", f"target={images}", *(chosen.words or PAPER)])


def measure(folder: Path, words: list[str]) -> None:
    """Runs the study, with cache and store in ``folder``, and prints its time and peaks."""
    peaks: Counter[str] = Counter()
    with bench(folder / "store") as processes:
        began = time.perf_counter()
        command = processes.command(*words, study=Path("augment_ablation"))
        run = processes.begin(command, HPT_CACHE=str(folder / "cache"))
        printer = threading.Thread(target=lambda: print(*(run.stdout or ()), sep="", end=""))
        printer.start()
        while run.poll() is None:
            now = in_use(processes, run.pid)
            for part in (*now, "all"):
                peaks[part] = max(peaks[part], now[part] if part != "all" else now.total())
            time.sleep(0.5)
        printer.join()
    print(f"exit code {run.returncode} after {time.perf_counter() - began:.0f} s; peaks in GiB of")
    for part, size in peaks.most_common():
        print(f"  {part:10} {size / 2**30:6.2f}")


def in_use(processes: Bench, command: int) -> Counter[str]:
    """Bytes in use by part of the run: the command, Ray's workers, Ray's services."""
    parts: Counter[str] = Counter()
    for process in processes.processes():
        with contextlib.suppress(psutil.Error):
            title = " ".join(process.cmdline()[:1])
            part = "command" if process.pid == command else "workers" if "ray::" in title else "services"
            parts[part] += process.memory_full_info().pss
    return parts


if __name__ == "__main__":
    main()
