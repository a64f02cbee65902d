"""What it costs to look at a data set of a million files: the first time, when all are read, and the second.

    python tests/benchmarks/bench_listing.py [FILES]

The files are a byte each, in 1,000 folders of classes, as a folder and as a list; nothing is decoded. They were written
just before, so that the script waits until their times can be trusted (``cache.SETTLED_SECONDS``).
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from hpt_ray.data import cache
from hpt_ray.data.records import source

CLASSES = 1_000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as place:
        os.environ["HPT_CACHE"] = f"{place}/cache"
        root = Path(place) / "images"
        names = [f"class{i % CLASSES:04}/{i:07}.jpg" for i in range(count)]
        for number in range(min(CLASSES, count)):
            (root / f"class{number:04}").mkdir(parents=True)
        for i, name in enumerate(names):
            with open(f"{root}/{name}", "wb") as file:  # noqa: PTH123  # pathlib would take most of the time
                file.write(bytes([i % 256]))
        (root / "all.csv").write_text("".join(f"{name},{name[:9]}\n" for name in names))
        time.sleep(cache.SETTLED_SECONDS + 0.5)
        for kind, spec in (("folder", str(root)), ("list", f"{root}/all.csv")):
            for look in ("first", "second"):
                wall, cpu = time.perf_counter(), time.process_time()
                source(spec)
                wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
                print(f"{count:,} files as a {kind}, {look} look: {wall:.1f} s, {cpu:.1f} s of CPU", flush=True)


if __name__ == "__main__":
    main()
