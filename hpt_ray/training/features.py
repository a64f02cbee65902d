"""Features of a frozen backbone: what every probe sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hpt_ray.core.errors import StudyError
from hpt_ray.data.dataset import Dataset
from hpt_ray.training.ahead import Ahead, depth_on
from hpt_ray.training.augment.transfer import Parcel, copy_stream, to_device
from hpt_ray.training.backbone import Backbone
from hpt_ray.training.footprint import images_at_once


@dataclass(frozen=True)
class Split:
    """One split as a probe sees it: features [n, d] float32, labels [n] int64, indices [n] into the data set.

    ``targets`` [n, C] int8, of multi-label data alone: for each class 1, 0 or -1 (unknown); no image has a label then.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    targets: NDArray[np.int8] | None = None

    @property
    def wanted(self) -> NDArray[Any]:
        """The truth that predictions are compared with: the labels [n], or the targets [n, C]."""
        return self.labels if self.targets is None else self.targets


def centre(images: Tensor, image_size: int) -> Tensor:
    """The centre square [n, C, image_size, image_size] of images [n, C, S, S]: what a probe sees of them.

    Raises:
        StudyError: for images smaller than that.
    """
    if images.shape[-1] < image_size:
        raise StudyError(
            f"images decoded to {images.shape[-1]} pixels have no centre of {image_size}: "
            "decode them to at least the image size."
        )
    start = round((images.shape[-1] - image_size) / 2)  # as torchvision's center_crop, which halves to even
    return images[..., start : start + image_size, start : start + image_size]


@contextmanager
def evaluating(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a network into eval mode, on ``device`` and channels_last; restores the previous mode at the end."""
    was_training = network.training
    network.eval().to(memory_format=torch.channels_last).to(device)
    try:
        yield
    finally:
        network.train(was_training)


def prepared(data: Dataset, indices: NDArray[np.int64], image_size: int, device: torch.device) -> Tensor:
    """Some images of a data set as ``outputs`` gives them to a network, all at once: [n, C, image_size, image_size]."""
    mean, std = to_device(np.array([data.mean, data.std], np.float32), device).view(2, 1, -1, 1, 1)
    images = centre(torch.from_numpy(np.ascontiguousarray(data.images[indices])), image_size).to(device)
    normalised: Tensor = (images.float() / 255 - mean) / std
    return normalised.contiguous(memory_format=torch.channels_last)


@torch.no_grad()  # not inference mode, whose tensors could never be trained again
def outputs(
    network: nn.Module, data: Dataset, indices: NDArray[np.int64], image_size: int, device: torch.device
) -> NDArray[np.float32]:
    """The outputs of a network in eval mode for some images: [n, d] in float32.

    It sees the centre ``image_size`` square of each decoded image, normalised by the data set's own mean and standard
    deviation.

    Raises:
        StudyError: for images decoded smaller than ``image_size``.
    """
    mean, std = to_device(np.array([data.mean, data.std], np.float32), device).view(2, 1, -1, 1, 1)
    stream = copy_stream(device)

    def sent(chosen: NDArray[np.int64]) -> Parcel:
        images = torch.from_numpy(np.ascontiguousarray(data.images[chosen]))
        return Parcel({"images": centre(images, image_size).numpy()}, device, stream)

    def normalised(parcel: Parcel) -> Tensor:
        images: Tensor = (parcel.opened()["images"].float() / 255 - mean) / std
        return images.contiguous(memory_format=torch.channels_last)

    with evaluating(network, device):
        at_once = images_at_once(network, normalised(sent(indices[:1])))
        chunks = [indices[start : start + at_once] for start in range(0, len(indices), at_once)]
        ahead = Ahead(lambda number: sent(chunks[number]), depth_on(device), len(chunks))
        parts = [network(normalised(ahead(number))).float().cpu() for number in range(len(chunks))]
    features: NDArray[np.float32] = torch.cat(parts).numpy()
    return features


def extract(backbone: Backbone, data: Dataset, image_size: int, device: torch.device) -> dict[str, Split]:
    """Features of the labelled images of every split, in float32 and eval mode.

    No number of the backbone changes, nor its mode; it stays on ``device``.

    Raises:
        DataError: for a data set that cannot be evaluated. StudyError: for one decoded smaller than ``image_size``.
    """
    return {
        name: Split(
            outputs(backbone, data, indices, image_size, device),
            np.asarray(data.labels[indices]),
            np.asarray(indices),
            None if data.targets is None else data.targets[indices],
        )
        for name, indices in data.evaluation().items()
    }


def standardised(splits: dict[str, Split]) -> dict[str, NDArray[Any]]:
    """Features of each split centred and scaled by the training split's mean and standard deviation."""
    train = splits["train"].features.astype(np.float64)
    mean, std = train.mean(axis=0), train.std(axis=0)
    std[std < 1e-8] = 1.0
    return {name: (split.features - mean) / std for name, split in splits.items()}
