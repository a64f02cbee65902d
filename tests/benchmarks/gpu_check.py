"""What only a GPU can show, in a few minutes on one and as one table: `make gpu-check`.

Each check takes a device and sizes, so that tests run all of them in miniature on a CPU.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from hpt_ray.data.dataset import load
from hpt_ray.spec.policy import Policy
from hpt_ray.training import pixels
from hpt_ray.training.augment.augment import views
from hpt_ray.training.augment.draws import draw
from hpt_ray.training.backbone import build
from hpt_ray.training.device import benchmark_convolutions
from hpt_ray.training.features import Split, extract
from hpt_ray.training.loop.checkpoint import Snapshot
from hpt_ray.training.loop.pretrain import Pretrainer
from hpt_ray.training.method import precision_context
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import knn, sgd
from hpt_ray.training.workers import Workers
from tests.support import photographs, tiny

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Sizes:
    """``batches`` are tried in turn; ``bank`` is the number of features a query is compared with; ``study`` is run;
    ``photographs`` are the smallest and the largest side of files."""

    backbone: str = "resnet50"
    image_size: int = 224
    images: int = 1_000
    batches: tuple[int, ...] = (256, 64)
    steps: int = 20
    bank: int = 172_000
    queries: int = 1_024
    probe_iterations: int = 200
    study: tuple[str, ...] = ("augment_ablation",)
    photographs: tuple[int, int] = (300, 420)


MINIATURE = Sizes("resnet_small", 16, 80, (16,), 2, 50, 10, 3, ("--help",), (20, 40))


def pretrainer(device: torch.device, sizes: Sizes, method: str = "moco_v2", **changed: object) -> Pretrainer:
    options = {"queue": 4096} if method == "moco_v2" and sizes.images >= 1000 else tiny.OPTIONS[method]
    batch = changed.pop("batch", sizes.batches[-1])
    recipe = tiny.recipe(method=method, policy=Policy(), options=options, batch=batch, group=batch // 2)
    data = changed.pop("data", None) or tiny.dataset(sizes.images, sizes.image_size)
    given = {"iterations": 1_000, "seed": 0, "workers": Workers(device=device), "image_size": sizes.image_size}
    return Pretrainer(recipe, build(sizes.backbone, 0, sizes.image_size), data, **given | changed)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(device: torch.device, work: Callable[[], object], times: int) -> float:
    """Of one call, after two to warm up."""
    for _ in range(2):
        work()
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        work()
    wait(device)
    return (time.perf_counter() - began) / times


@contextlib.contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = wanted
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def synchronisations(device: torch.device, sizes: Sizes) -> str:
    """One step of each method under torch's own check, which raises at the first that waits."""
    for method in tiny.OPTIONS:
        trained = pretrainer(device, sizes, method)
        trained.step(), trained.step()
        try:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("error")
            trained.step()
        finally:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("default")
    return f"none in a step of {', '.join(tiny.OPTIONS)}"


def agreement(device: torch.device, sizes: Sizes) -> str:
    """Views, and the loss of a float32 step, beside the CPU's."""
    images = torch.from_numpy(tiny.dataset(32, sizes.image_size).images)
    draws = draw(Policy(), np.random.default_rng(0), 32, *images.shape[-2:])
    made = [
        views(images.to(where), draws, Policy(), sizes.image_size, (0.5,) * 3, (0.25,) * 3).cpu()
        for where in (device, CPU)
    ]
    losses = [float(pretrainer(where, sizes, batch=16).step()) for where in (device, CPU)]
    return f"views differ by {(made[0] - made[1]).abs().max():.1e}, the loss by {abs(losses[0] - losses[1]):.1e}"


def resume(device: torch.device, sizes: Sizes) -> str:
    """Whether two resumed stages end with the bits of one never interrupted, and what that costs."""
    answers = []
    for wanted in (False, True):
        with deterministic(wanted):
            whole, ends = pretrainer(device, sizes), []
            whole.step()
            state = whole.state()
            for trained in (whole, pretrainer(device, sizes), pretrainer(device, sizes)):
                trained.restore(state)
                for _ in range(3):
                    trained.step()
                ends.append(tiny.copy_of(trained.method.state_dict()))
            same = all(tiny.largest_difference(ends[0], end) == 0 for end in ends[1:])
            took = seconds(device, whole.step, sizes.steps)
        answers.append(f"{'bit-identical' if same else 'DIFFERENT'} at {1e3 * took:.1f} ms a step")
    return f"{answers[0]}; deterministic: {answers[1]}"


def rate(device: torch.device, sizes: Sizes) -> str:
    """Images per second of a whole step, and of its networks alone on a fixed batch."""
    answers = []
    precision = "bfloat16" if device.type == "cuda" else "float32"
    for batch in sizes.batches:
        trained = pretrainer(device, sizes, batch=batch, precision=precision)
        method = trained.method
        images = torch.rand(batch // 2, 3, sizes.image_size, sizes.image_size, device=device)
        images = images.contiguous(memory_format=torch.channels_last)

        def networks(method: torch.nn.Module = method, images: torch.Tensor = images) -> None:
            for _ in range(2):
                with precision_context(device, precision):
                    with torch.no_grad():
                        method.key(images)
                    method.student(images).float().sum().backward()
            method.zero_grad(set_to_none=True)

        limit = batch / seconds(device, networks, sizes.steps)
        ours = batch / seconds(device, trained.step, sizes.steps)
        answers.append(f"batch {batch}: {ours:,.0f} images/s, {ours / limit:.0%} of the networks alone")
    return "; ".join(answers)


def tiers(device: torch.device, sizes: Sizes) -> str:
    """The same bits of images that are resident and of images that are sent with each step, and the rate of both and of
    crops from files."""
    states, rates = [], []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HPT_CACHE", f"{folder}/cache")
        photographs.write(Path(folder, "photographs"), sizes.images, *sizes.photographs)
        encoded = load(f"{folder}/photographs", sizes.image_size, pixels="encoded")
        resident = tiny.dataset(sizes.images, sizes.image_size)
        for share, data in ((pixels.SHARE, resident), (0.0, resident), (pixels.SHARE, encoded)):
            patch.setattr(pixels, "SHARE", share)
            patch.setattr(pixels, "_kept", OrderedDict())
            trained = pretrainer(device, sizes, data=data)
            for _ in range(3):
                trained.step()
            states.append(tiny.copy_of(trained.method.state_dict()))
            rates.append(trained.recipe.batch / seconds(device, trained.step, sizes.steps))
    same = tiny.largest_difference(states[0], states[1]) == 0
    kinds = ", ".join(f"{name} {rate:,.0f}" for name, rate in zip(("resident", "sent", "cropped"), rates, strict=True))
    return f"{'bit-identical' if same else 'DIFFERENT'} resident and sent; images/s: {kinds}"


def memory(device: torch.device, sizes: Sizes) -> str:
    """Peaks of training and of features, and what is left afterwards."""
    if device.type != "cuda":
        pretrainer(device, sizes).step()
        extract(build(sizes.backbone, 0, sizes.image_size), tiny.dataset(60, sizes.image_size), sizes.image_size, CPU)
        return "not measured on a CPU"
    before, peaks = torch.cuda.memory_allocated(device), []
    for work in (
        lambda: pretrainer(device, sizes, batch=sizes.batches[0]).step(),
        lambda: extract(
            build(sizes.backbone, 0, sizes.image_size), tiny.dataset(600, sizes.image_size), sizes.image_size, device
        ),
    ):
        torch.cuda.reset_peak_memory_stats(device)
        work()
        peaks.append(torch.cuda.max_memory_allocated(device) / 2**30)
    left = (torch.cuda.memory_allocated(device) - before) / 2**20
    return f"training {peaks[0]:.1f} GiB, features {peaks[1]:.1f} GiB, {left:.0f} MiB left afterwards"


def checkpoint(device: torch.device, sizes: Sizes) -> str:
    """How long training stands still for a checkpoint, and how soon a stage ends that is asked to stop."""
    trained = pretrainer(device, sizes, iterations=10**9)
    trained.step()
    wait(device)
    began = time.perf_counter()
    snapshot = Snapshot(trained._state(trained.curve))
    stall = time.perf_counter() - began
    size = len(snapshot.to_bytes()) / 2**20
    asked = time.monotonic() + 1.0
    trained.run(report=lambda iteration, row: time.monotonic() < asked)
    return f"{1e3 * stall:.0f} ms for {size:.0f} MiB, stopped {time.monotonic() - asked:.1f} s after it was asked"


def probes(device: torch.device, sizes: Sizes) -> str:
    """Rates of the weighted kNN among many features and of the SGD probe."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(sizes.bank, 128)).astype(np.float32)
    bank = Split(features, rng.integers(0, 10, sizes.bank), np.arange(sizes.bank))
    began = time.perf_counter()
    knn.vote(bank, features[: sizes.queries], [5], device)
    queries = sizes.queries / (time.perf_counter() - began)
    subject = Subject(
        build(sizes.backbone, 0, sizes.image_size), tiny.dataset(60, sizes.image_size), sizes.image_size, device
    )
    began = time.perf_counter()
    sgd.probe(subject, lr=0.1, iterations=sizes.probe_iterations, batch=32, repeats=1)
    passes = sizes.probe_iterations * 32 / (time.perf_counter() - began)
    return f"kNN {queries:,.0f} queries/s among {sizes.bank:,}, SGD probe {passes:,.0f} images/s"


def study(device: torch.device, sizes: Sizes) -> str:
    """A whole study by its command; the last line that it prints."""
    main = "import sys; sys.argv[0] = 'hpt-study'; from hpt_ray.cli.main import main; main()"
    with tempfile.TemporaryDirectory() as folder:
        options = [] if "--help" in sizes.study else ["--store", folder]
        command = [sys.executable, "-c", main, "run", *sizes.study, *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return f"exit code {done.returncode}: {lines[-1] if lines else done.stderr.strip()[-200:]}"


CHECKS = (synchronisations, agreement, resume, rate, tiers, memory, checkpoint, probes, study)


def main() -> int:
    if not torch.cuda.is_available():
        print("no GPU here: nothing was checked.")
        return 2
    benchmark_convolutions()  # as a stage does
    failed = False
    for check in CHECKS:
        began = time.perf_counter()
        try:
            found = check(torch.device("cuda", 0), Sizes())
        except Exception as error:  # one check that fails says so in its row, and the others go on
            found, failed = f"FAILED: {type(error).__name__}: {str(error).splitlines()[0]}", True
        print(f"{check.__name__:>16}  {time.perf_counter() - began:5.0f} s  {found}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
