"""Data sets whose classes are a colour, and subjects to probe on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.transforms import v2

from hpt_ray.data.dataset import Dataset
from hpt_ray.spec.policy import Policy, RandomResizedCrop
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.probe import Subject
from hpt_ray.training.probes import _training
from tests.support import tiny

CPU = torch.device("cpu")
#: Sees every image as it is.
IDENTITY = Policy(
    crop=RandomResizedCrop(scale=(1, 1), ratio=(1, 1)), color_jitter=None, grayscale=None, blur=None, flip=None
)


def coloured(n: int = 120, classes: int = 3, strength: float = 60, **given: Any) -> Dataset:
    """Noise in which one of the channels is brighter: which one is the class."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) // 5 % classes  # the splits interleave by five
    images = rng.normal(110, 40, (n, 3, tiny.SIZE, tiny.SIZE))
    images[np.arange(n), labels % 3] += strength
    return tiny.dataset(n, **{"images": images.clip(0, 255).astype(np.uint8), "labels": labels, **given})


def subject(data: Dataset | None = None, backbone: Backbone | None = None, precision: str = "float32") -> Subject:
    return Subject(backbone or tiny.backbone(), data or coloured(), tiny.SIZE, CPU, precision)


def see_images_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_training, "POLICY", IDENTITY)


def normalised(data: Dataset, indices: NDArray[Any]) -> Tensor:
    """By torchvision."""
    transform = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(data.mean, data.std)])
    images: Tensor = transform(torch.from_numpy(data.images[indices]))
    return images


def lr_at(lr: float, iteration: int, iterations: int) -> float:
    """The schedule's formula: a tenth from a third on, a hundredth from two thirds on, the first iteration whole."""
    if iteration == 0 or iteration < round(iterations / 3):
        return lr
    return lr * (0.1 if iteration < round(2 * iterations / 3) else 0.01)
