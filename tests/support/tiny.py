"""A data set in memory and networks small enough to train in a test."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpt_ray.core.identity import content_id, stream
from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.policy import Policy
from hpt_ray.spec.study import Pretraining
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.method import Batch, Order
from hpt_ray.training.workers import Workers

SIZE = 16
#: Of each method that trains any network: options that make it small. MoCo's queue holds two batches.
OPTIONS: dict[str, dict[str, Any]] = {
    "moco_v2": {"queue": 32, "dim": 8},
    "simclr": {"dim": 8},
    "byol": {"hidden": 32, "dim": 8},
    "lejepa": {"hidden": 32, "dim": 8, "directions": 32},
    "supervised": {},
    "vicreg": {"hidden": 32, "dim": 8},
    "dino": {"hidden": 32, "dim": 8, "prototypes": 16},
}
CROP = Policy().without("color_jitter", "grayscale", "blur")


def dataset(
    n: int = 60, size: int = SIZE, images: Any = None, labels: Any = None, seed: int = 0, channels: int = 3
) -> Dataset:
    """``n`` images of noise of two classes unless given; interleaved, 60 % train, 20 % val, 20 % test."""
    rng = np.random.default_rng(seed)
    if images is None:
        images = rng.integers(0, 256, (n, channels, size, size), dtype=np.uint8)
    labels = np.arange(n) % 2 if labels is None else labels
    place = np.arange(n) % 5
    splits = {"train": np.flatnonzero(place < 3), "val": np.flatnonzero(place == 3), "test": np.flatnonzero(place == 4)}
    return Dataset(
        spec="tiny",
        name="tiny",
        size=size,
        images=images,
        sizes=np.full((n, 2), size, np.int32),
        labels=np.asarray(labels, np.int64),
        splits={name: chosen.astype(np.int64) for name, chosen in splits.items()},
        classes=tuple(str(i) for i in range(int(np.max(labels)) + 1)),
        hashes=np.array([f"{i:032x}".encode() for i in range(n)]),
        perceptual=np.arange(n, dtype=np.uint64),
        mean=tuple(np.resize([0.5, 0.4, 0.6], channels).tolist()),
        std=tuple(np.resize([0.25, 0.3, 0.2], channels).tolist()),
        fingerprint=content_id(hashlib.sha256(np.ascontiguousarray(images)).hexdigest(), length=32),
        excluded=0,
    )


def backbone(seed: int = 0, norm: type[nn.Module] = nn.BatchNorm2d) -> Backbone:
    """[n, 3, S, S] -> [n, 16]: two strided convolutions, each normalised."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Backbone(
            {
                "conv1": nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
                "bn1": norm(8),
                "relu": nn.ReLU(),
                "conv2": nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
                "bn2": norm(16),
                "relu2": nn.ReLU(),
                "avgpool": nn.AdaptiveAvgPool2d(1),
            },
            dim=16,
        )


class NoNorm(nn.Identity):
    """In the place of a normalisation layer, for a network without any."""


def views(iteration: int, n: int) -> tuple[Tensor, Tensor]:
    """Two views of a batch of ``n`` images, of noise."""
    generator = torch.Generator().manual_seed(iteration)
    one, other = torch.randn(2, n, 3, SIZE, SIZE, generator=generator)
    return one, other


def batch(
    iteration: int,
    pair: tuple[Tensor, Tensor],
    group: int,
    labels: Tensor | None = None,
    iterations: int = 10,
    *,
    orders: tuple[Order, ...] = ("batch", "batch"),
    shuffled: Any = None,
    workers: Workers | None = None,
    drawn: dict[str, Any] | None = None,
) -> Batch:
    """A batch of given views, without labels unless given, as a worker sees it; shuffled by seed 0 unless given."""
    size = len(pair[0])
    known = torch.full((size,), -1) if labels is None else labels
    order = stream(0, "shuffle", iteration).permutation(size) if shuffled is None else shuffled
    share = (workers or Workers()).share(size // group)
    own = np.arange(share.start * group, share.stop * group)
    places = {"batch": own, "shuffled": order[own]}
    return Batch(
        iteration,
        size,
        group,
        lambda which: torch.split(pair[which][places[orders[which]]], group),
        iterations=iterations,
        labels=torch.split(known[own], group),
        shuffled=torch.from_numpy(order),
        drawn={name: torch.from_numpy(array) for name, array in (drawn or {}).items()},
    )


def recipe(**changed: Any) -> Pretraining:
    """A global batch of 16 in 4 groups, and the method's small options."""
    options = OPTIONS[changed.get("method", "moco_v2")]
    given = {"iterations": 6, "batch": 16, "group": 4, "policy": CROP, "options": options, "lr": 0.05}
    return Pretraining.model_validate(given | changed)


def copy_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}


def largest_difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """Of all elements of two states with equal names; 0 means bit-identical (no NaN may be in either)."""
    assert one.keys() == other.keys()
    return max(float((value.double() - other[name].double()).abs().max()) for name, value in one.items())
