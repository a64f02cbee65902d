"""Views per second of the batched augmentation on one thread, drawing included, against torchvision image by image.

python -m tests.benchmarks.bench_augment
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from sklearn.datasets import load_sample_images
from torch import Tensor
from torchvision.transforms import v2

from hpt_ray.core.identity import stream
from hpt_ray.spec.policy import Policy
from hpt_ray.training.augment import augment
from hpt_ray.training.augment.draws import draw
from tests.support import reference

REPEATS = 15
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def photographs(n: int, side: int) -> Tensor:
    """Windows of two photographs: uint8 [n, 3, side, side]."""
    images = torch.tensor(load_sample_images().images[0]).permute(2, 0, 1)
    windows = images.unfold(1, side, side // 3).unfold(2, side, side // 3).permute(1, 2, 0, 3, 4).flatten(0, 1)
    return windows[torch.arange(n) % len(windows)].contiguous()


def torchvisions(size: int, kernel: int) -> v2.Transform:
    """The baseline policy as one composes it from torchvision."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=(0.2, 1.0), antialias=True),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], p=0.5),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(MEAN), list(STD)),
        ]
    )


def rate(make: Callable[[int], object], views: int, repeats: int = REPEATS) -> float:
    """Views per second: the median after a warm-up."""
    make(0)
    seconds = []
    for i in range(repeats):
        began = time.perf_counter()
        make(i)
        seconds.append(time.perf_counter() - began)
    return views / statistics.median(seconds)


def compare(side: int, size: int, batch: int, dtype: torch.dtype) -> None:
    policy = Policy()
    assert policy.blur is not None
    images = photographs(batch, side)
    transform = torchvisions(size, augment.kernel_width(policy.blur, size))

    def batched(i: int) -> Tensor:
        draws = draw(policy, stream(0, "bench", i), batch, side, side)
        return augment.views(images, draws, policy, size, MEAN, STD, dtype=dtype)

    one_by_one = rate(lambda _: torch.stack([transform(image) for image in images]), batch, repeats=3)
    ours = rate(batched, batch)
    drawing = rate(lambda i: draw(policy, stream(0, "bench", i), batch, side, side), batch)
    draws = draw(policy, stream(0, "bench", 0), batch, side, side)
    difference = augment.views(images, draws, policy, size, (0, 0, 0), (1, 1, 1))
    difference = (difference - reference.views(images, draws, policy, size, (0, 0, 0), (1, 1, 1))).abs().mean()
    print(
        f"{side:>4} to {size:>3} px, batch {batch:>3}, {str(dtype).removeprefix('torch.'):<8} "
        f"{ours:>8,.0f} views/s ({1e6 / ours:6.1f} us, of which drawing {1e6 / drawing:4.1f} us) "
        f"{ours / one_by_one:5.1f} x torchvision; mean difference to the reference {difference:.5f}"
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for batch in (64, 128):
        for dtype in (torch.float32, torch.bfloat16):
            compare(32, 32, batch, dtype)
    compare(64, 32, 128, torch.float32)
    compare(256, 224, 8, torch.float32)
